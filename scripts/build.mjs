import { buildIfStale } from './build-if-stale.mjs';

/** `npm run build`: compiles the apps into `dist`, whether or not a source has changed. */
await buildIfStale({ force: true }).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
