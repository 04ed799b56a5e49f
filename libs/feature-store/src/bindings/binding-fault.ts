/** What is wrong with a binding, as the end of a sentence that begins with the column. */
export class BindingFault extends Error {}
