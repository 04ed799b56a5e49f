import ts from 'typescript';

/**
 * A rule for ESLint: refuses `new Date(text)`, whatever the text is called, as a text without a zone is read in the zone of
 * the process (https://tc39.es/ecma262/#sec-date.parse). Needs types.
 */
export const noDateOfText = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { text: 'A date of a text. Use decodeTimestamp() of @app/core, which insists on a zone.' },
  },
  create(context) {
    const { parserServices } = context.sourceCode;
    return {
      "NewExpression[callee.name='Date'][arguments.length=1]"(node) {
        const type = parserServices.getTypeAtLocation(node.arguments[0]);
        const parts = type.isUnion() ? type.types : [type];
        if (parts.some((part) => part.flags & ts.TypeFlags.StringLike)) context.report({ node, messageId: 'text' });
      },
    };
  },
};
