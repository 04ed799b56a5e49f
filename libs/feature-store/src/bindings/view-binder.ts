import { BindingFault } from './binding-fault';
import type { BoundView } from './bindings';
import type { FeatureExpression } from './expression';
import { type Feature, type FeatureView, viewReference } from '../views/feature-view';

/** Finds versions of feature views; what `FeatureViews` does. */
export interface KnownViews {
  /** This version of a view, where it is known. */
  find(name: string, version: number): FeatureView | undefined;
  /** The newest version of a view, where there is any. */
  newest(name: string): FeatureView | undefined;
}

/** A feature that an expression names, and its view. */
export interface FoundFeature {
  readonly view: FeatureView;
  readonly feature: Feature;
  readonly bound: BoundView;
}

/** Binds the views of one version of a model to its request's fields, each view once. */
export class ViewBinder {
  private readonly views = new Map<string, BoundView>();
  private readonly used = new Set<string>();

  constructor(
    private readonly known: KnownViews,
    /** The request's field by entity. */
    private readonly fields: Readonly<Record<string, string>>,
  ) {}

  /** The feature that is meant. Throws BindingFault. */
  find({ view: name, version, feature: wanted }: FeatureExpression): FoundFeature {
    const newest = this.known.newest(name);
    if (!newest) throw new BindingFault(`there is no feature view "${name}"`);
    if (version === undefined) {
      throw new BindingFault(`the view "${name}" is not pinned; its newest version is ${viewReference(newest)}`);
    }
    const view = this.known.find(name, version);
    if (!view) {
      throw new BindingFault(`the view "${name}" has no version ${version}; its newest is ${viewReference(newest)}`);
    }
    const feature = view.features.find((candidate) => candidate.name === wanted);
    if (!feature) throw new BindingFault(`the view ${viewReference(view)} has no feature "${wanted}"`);
    return { view, feature, bound: this.bind(view) };
  }

  /** Every view that was found. */
  bound(): readonly BoundView[] {
    return [...this.views.values()];
  }

  /** A fault for each entity of the manifest that no view is keyed by. */
  unusedEntities(): readonly string[] {
    const unused = Object.keys(this.fields).filter((entity) => !this.used.has(entity));
    return unused.map((entity) => `"entities.${entity}": no view that the columns need is keyed by it`);
  }

  private bind(view: FeatureView): BoundView {
    const reference = viewReference(view);
    const known = this.views.get(reference);
    if (known) return known;
    const entities = view.entities.map(({ name, dtype }) => ({ name: this.fieldOf(name, reference), dtype }));
    const bound: BoundView = { name: view.name, reference, keyedBy: { entities } };
    this.views.set(reference, bound);
    return bound;
  }

  private fieldOf(entity: string, reference: string): string {
    this.used.add(entity);
    const field = this.fields[entity];
    if (field !== undefined) return field;
    throw new BindingFault(
      `the view ${reference} is keyed by "${entity}"; say "entities: { ${entity}: request.<field> }" in model.yaml`,
    );
  }
}
