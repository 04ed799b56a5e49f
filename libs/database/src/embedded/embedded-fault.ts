/** Why the embedded PostgreSQL cannot run until the operator does something; the message is a sentence or two that say what. */
export class EmbeddedPostgresFault extends Error {
  override readonly name = 'EmbeddedPostgresFault';
}
