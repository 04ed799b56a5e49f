import { ManualClock } from '@app/testing';
import { LineReader } from './line-reader';

describe(LineReader.name, () => {
  const read = (chunks: readonly string[]): string[] => {
    const lines: string[] = [];
    const reader = new LineReader((line) => lines.push(line), new ManualClock());
    for (const chunk of chunks) reader.push(Buffer.from(chunk));
    return lines;
  };

  it('cuts output into lines, wherever the pieces end', () => {
    expect(read(['one\ntw', 'o\n\n', '\nthr'])).toEqual(['one', 'two']);
  });

  it('cuts a line that does not end', () => {
    const [line] = read(['x'.repeat(5000), 'y'.repeat(5000), '\n']);
    expect(line).toHaveLength(1000);
  });

  it('passes on twenty lines a second, and counts the others', async () => {
    const clock = new ManualClock();
    const lines: string[] = [];
    const reader = new LineReader((line) => lines.push(line), clock);
    reader.push(Buffer.from('x\n'.repeat(50)));
    expect(lines).toHaveLength(20);
    await clock.advance(1000);
    reader.push(Buffer.from('next\n'));
    expect(lines.slice(20)).toEqual(['(30 lines left out)', 'next']);
  });
});
