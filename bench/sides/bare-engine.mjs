import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { textAt } from '../corpus.mjs';

// The limit that a server is held against: tokenise and run, nothing else, in one process per core. Texts come in
// windows that are sorted by length, so that a batch holds texts of like length: the best that any scheduler can do.
const root = fileURLToPath(new URL('../..', import.meta.url));
const { Tokenizer } = createRequire(import.meta.url)(join(root, 'dist/libs/inference/src/tasks/tokenizer.js'));
const WINDOW_BATCHES = 16;
const MAX_TOKENS = { minilm: 256, 'banking-intents': 128 };

const [model, firstText, step] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const files = join(root, 'models', model, '1');
const tokenizerFiles = {
  tokenizer: join(files, 'tokenizer.json'),
  tokenizerConfig: join(files, 'tokenizer_config.json'),
};
const tokenizer = await Tokenizer.open(tokenizerFiles, MAX_TOKENS[model]);
const session = await InferenceSession.create(join(files, 'model.onnx'), {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
});
let sent = 0;

process.on('message', async ({ batch, seconds }) => {
  const began = performance.now();
  let rows = 0;
  while (performance.now() - began < seconds * 1000) rows += await runWindow(batch);
  process.send({ rows, seconds: (performance.now() - began) / 1000 });
});
process.on('disconnect', () => process.exit(0));
process.send('ready');

async function runWindow(batch) {
  const count = batch === 1 ? 1 : batch * WINDOW_BATCHES;
  const encodings = Array.from({ length: count }, () => tokenizer.encode(textAt(firstText + step * sent++)));
  encodings.sort((a, b) => a.ids.length - b.ids.length);
  for (let from = 0; from < count; from += batch) await session.run(feedsOf(encodings.slice(from, from + batch)));
  return count;
}

function feedsOf(encodings) {
  const length = Math.max(...encodings.map(({ ids }) => ids.length));
  const columns = {
    input_ids: ({ ids }, token) => ids[token],
    attention_mask: () => 1,
    token_type_ids: ({ typeIds }, token) => typeIds[token],
  };
  const tensorOf = (valueAt) => {
    const data = new BigInt64Array(encodings.length * length);
    encodings.forEach((encoding, row) => {
      for (let token = 0; token < encoding.ids.length; token++)
        data[row * length + token] = BigInt(valueAt(encoding, token));
    });
    return new Tensor('int64', data, [encodings.length, length]);
  };
  return Object.fromEntries(session.inputNames.map((name) => [name, tensorOf(columns[name])]));
}
