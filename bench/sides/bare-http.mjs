import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

// The floor: `node:http` that reads a body and answers always the same bytes, with the headers of the real answer.
const [port, answerFile, processes] = process.argv.slice(2);
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'date', 'content-length']);

if (cluster.isPrimary && Number(processes) > 1) {
  for (let index = 0; index < Number(processes); index++) cluster.fork();
  process.on('SIGTERM', () => process.exit(0));
} else {
  serve();
}

function serve() {
  const { headers, body } = JSON.parse(readFileSync(answerFile, 'utf8'));
  const own = Object.entries(headers).filter(([name]) => !CONNECTION_HEADERS.has(name));
  const bytes = Buffer.from(body);
  const head = { ...Object.fromEntries(own), 'content-length': bytes.length };
  createServer((request, response) => {
    request.on('data', () => {});
    request.on('end', () => response.writeHead(200, head).end(bytes));
  }).listen(Number(port), '127.0.0.1');
}
