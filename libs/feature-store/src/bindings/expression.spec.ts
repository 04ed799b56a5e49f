import { BindingFault } from './binding-fault';
import { parseExpression } from './expression';

describe(parseExpression.name, () => {
  it.each([
    ['request.amount', { kind: 'request', field: 'amount' }],
    ['request.a.b c', { kind: 'request', field: 'a.b c' }],
    ['feature:user_stats@3:country', { kind: 'feature', view: 'user_stats', version: 3, feature: 'country' }],
    ['feature:user_stats:country', { kind: 'feature', view: 'user_stats', version: undefined, feature: 'country' }],
    ['feature:user_stats@latest:a', { kind: 'feature', view: 'user_stats', version: undefined, feature: 'a' }],
    ['const:1', { kind: 'const', text: '1' }],
    ['const:a, b', { kind: 'const', text: 'a, b' }],
  ])('reads %s', (text, expression) => expect(parseExpression(text)).toEqual(expression));

  it('reads the arguments of a transform, which may be transforms', () => {
    const text = 'transform:one_hot@1(transform:lower@1(request.purpose), "a, \\"b\\") ")';
    expect(parseExpression(text)).toEqual({
      kind: 'transform',
      name: 'one_hot',
      version: 1,
      args: [
        { kind: 'transform', name: 'lower', version: 1, args: [{ kind: 'request', field: 'purpose' }] },
        { kind: 'const', text: '"a, \\"b\\") "' },
      ],
    });
    expect(parseExpression('transform:clip@1(feature:v@2:f, -1.5e3 , 2)')).toMatchObject({
      args: [{ kind: 'feature', view: 'v', version: 2, feature: 'f' }, { text: '-1.5e3' }, { text: '2' }],
    });
  });

  it.each([
    ['amount', 'is none of request.<field>'],
    ['request.', 'is none of'],
    ['feature:country', 'must be feature:<view>@<version>:<feature>'],
    ['transform:lower(request.a)', 'is not pinned; write lower@1'],
    ['transform:lower@1 request.a', 'must be transform:<name>@<version>(<arguments>)'],
    ['transform:lower@1()', 'is none of'],
    ['transform:lower@1(a)', '"a" is none of'],
  ])('says what is wrong with %s', (text, says) => {
    expect(() => parseExpression(text)).toThrow(BindingFault);
    expect(() => parseExpression(text)).toThrow(says);
  });
});
