// `npm run worker`: a worker alone, for jobs of servers that share its database, its Redis and its folder of blobs.
import { startApp } from './start-app.mjs';

await startApp({ app: 'worker', who: 'The worker', command: 'npm run worker' });
