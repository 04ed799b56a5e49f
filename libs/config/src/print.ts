import { SETTINGS } from './settings';

const INTRODUCTION = `# Configuration

Every setting is an environment variable, read once at start. An empty variable counts as unset. When one is wrong the
server lists all that are wrong and exits before it opens a port. Settings of one model stand in its \`model.yaml\`.

This page is printed from the table in \`libs/config/src/settings.ts\`.
`;

/** The text of `docs/configuration.md`. */
export function printConfiguration(): string {
  const areas = Map.groupBy(Object.entries(SETTINGS), ([variable]) => variable.slice(0, variable.indexOf('_')));
  const sections = [...areas].map(([area, settings]) => {
    const rows = settings.map(([variable, { defaultText, rule, unit, says }]) =>
      [`\`${variable}\``, defaultText ? `\`${defaultText}\`` : '–', unit ? `${rule}, in ${unit}` : rule, says].join(
        ' | ',
      ),
    );
    const head = ['variable | default | must be | what it does', '--- | --- | --- | ---'];
    return [`## ${area}`, '', ...[...head, ...rows].map((row) => `| ${row} |`), ''].join('\n');
  });
  return [INTRODUCTION, ...sections].join('\n');
}
