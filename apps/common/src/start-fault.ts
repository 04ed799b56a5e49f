/** Something that the operator can put right. The message is one sentence that says how. */
export class StartFault extends Error {}
