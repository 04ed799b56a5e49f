// `npm start`: the server, with everything it needs.
import { startApp } from './start-app.mjs';

await startApp({ app: 'api', who: 'Quayside', command: 'npm start' });
