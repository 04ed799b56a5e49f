import { UsageFault } from './usage.mjs';

/** What of the flags goes into the query of a submission. What is wrong with a value, the server says. */
export function submitQuery(flags) {
  if (!flags.model) throw new UsageFault('Say with --model what is to answer the rows.');
  const options = Object.entries(pairs(flags.option, '--option')).map(([name, value]) => [name, valueOf(value)]);
  const metadata = pairs(flags.metadata, '--metadata');
  return {
    model: flags.model,
    id_field: flags['id-field'],
    priority: flags.priority,
    webhook_url: flags['webhook-url'],
    deadline: flags.deadline,
    on_invalid: flags['on-invalid'],
    max_error_rate: flags['max-error-rate'],
    options: jsonUnlessEmpty(Object.fromEntries(options)),
    metadata: jsonUnlessEmpty(metadata),
  };
}

function pairs(given, flag) {
  return Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageFault(`${flag} takes name=value, not ${pair}.`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** A number, true or false as such, anything else as the text that it is. */
function valueOf(text) {
  return /^(true|false|-?\d+(\.\d+)?)$/.test(text) ? JSON.parse(text) : text;
}

function jsonUnlessEmpty(record) {
  return Object.keys(record).length > 0 ? JSON.stringify(record) : undefined;
}
