import { ESLint } from 'eslint';

/**
 * Lints snippets as if they stood in files of the repository: `[{ file, code }]` on stdin, the ids of the rules that
 * each one breaks on stdout. A process of its own, because ESLint loads its configuration as an ES module.
 */
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const eslint = new ESLint();
const broken = [];
for (const { file, code } of JSON.parse(Buffer.concat(chunks).toString())) {
  const [result] = await eslint.lintText(code, { filePath: file });
  broken.push(result.messages.map((message) => message.ruleId ?? message.message));
}
process.stdout.write(JSON.stringify(broken));
