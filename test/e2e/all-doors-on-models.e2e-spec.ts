import { describeAllDoors } from './all-doors';
import { DEFAULT_MODELS, Door } from './door';

describe('every door, on the real models', () => {
  describeAllDoors(() => Door.open({ models: DEFAULT_MODELS }));
});
