/** A command line that means nothing. */
export class UsageFault extends Error {}

export const USAGE = `npm run jobs -- submit <file> --model <name>   send rows as a job: .jsonl, .ndjson, .csv or .json, also .gz and .zst
    --format jsonl                             how they are written, where the name does not say so; the file - is standard input
    --id-field <name>                          the field that names a row
    --model <name>, <name>@<version>           what answers them
    --option <name>=<value>                    an option of every row, such as top_k=3; may be repeated
    --priority high|normal|low                 who goes first
    --metadata <name>=<value>                  what the job remembers for you; may be repeated
    --webhook-url <url>                        who is told when it has ended
    --deadline 2026-01-31T18:00:00Z            when it ends with what it has
    --on-invalid record|reject                 what a row that cannot be read does: it gets an error, or nothing runs
    --max-error-rate 0.1                       from which share of failed rows on the job fails
    --idempotency-key <key>                    the same key and file give the same job, however often they are sent
    --wait                                     follow it to its end
    --output <file>                            and write its results there
npm run jobs -- list                           the newest jobs; --status, --model, --limit, --after narrow it
npm run jobs -- show <id>                      one job; --wait follows it to its end
npm run jobs -- results <id>                   its result lines, also while it runs
    --output <file>                            into a file; the same command again fetches only what is missing
    --only errors                              those of failed rows
    --after <cursor>                           those behind a cursor
    --wait                                     until the job has ended and all are there
npm run jobs -- cancel <id>                    stop it; finished rows stay. --wait follows it to its end
npm run jobs -- retry <id>                     run its failed rows again; --wait
npm run jobs -- delete <id>                    remove a job that has ended, with its rows and results

    --url http://127.0.0.1:8080                which server; also QUAYSIDE_URL
    --json                                     jobs as the server tells them

Exit code: 0 done, of a job that was followed: every row succeeded. 1 refused, or the job failed, expired or was cancelled.
2 not understood. 3 the job succeeded and some of its rows did not. 130 Ctrl-C, which never ends a job.`;
