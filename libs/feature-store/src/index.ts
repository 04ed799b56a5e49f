export { FeatureStore, PassThroughFeatureStore } from './feature-store';
