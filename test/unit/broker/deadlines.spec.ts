import { describe, expect, it } from '@jest/globals';
import { Deadlines } from '../../../lib/broker/deadlines.js';

const start = 1_700_000_000_000;
const hour = 3_600_000;
const decades = 30 * 365 * 24 * hour;

/** Counts what is looked up, and gives up where it would take for ever. */
class CountedMap<K, V> extends Map<K, V> {
  lookups = 0;

  override get(key: K): V | undefined {
    if (++this.lookups > 10_000) throw new Error('more than 10,000 seconds were looked at');
    return super.get(key);
  }
}

/** Deadlines that count the seconds they look at. */
function counted(): { deadlines: Deadlines<string>; seconds: CountedMap<number, Set<string>> } {
  const deadlines = new Deadlines<string>(start);
  const seconds = new CountedMap<number, Set<string>>();
  Object.assign(deadlines, { bySecond: seconds });
  return { deadlines, seconds };
}

describe('Deadlines', () => {
  it('gives what is due, in the order of its seconds, at most a second late and once', () => {
    const deadlines = new Deadlines<string>(start);
    for (const second of [3, 1, 2]) deadlines.add(`${second}`, start + second * 1000);

    expect(deadlines.takeDue(start + 900)).toEqual([]);
    expect(deadlines.takeDue(start + 2000)).toEqual(['1', '2']);
    expect(deadlines.takeDue(start + 3000)).toEqual(['3']);
    expect(deadlines.takeDue(start + 9000)).toEqual([]);
  });

  it('forgets what was taken back, and never gives what is due at Infinity', () => {
    const deadlines = new Deadlines<string>(start);
    deadlines.add('taken back', start + 1000);
    deadlines.add('never', Infinity);

    deadlines.delete('taken back', start + 1000);

    expect(deadlines.takeDue(start + decades)).toEqual([]);
  });

  it.each([
    ['second by second', 5],
    ['after a jump of the clock', 5000],
  ])('[A34] gives 150,000 things that are due in one second, %s', (_title, seconds) => {
    const deadlines = new Deadlines<number>(start);
    for (let item = 0; item < 150_000; item++) deadlines.add(item, start + 1500);

    const due = deadlines.takeDue(start + seconds * 1000);

    expect(due).toHaveLength(150_000);
    expect(new Set(due).size).toBe(150_000);
  });

  it('[A38] a clock that jumps by decades costs as many steps as there are deadlines, and keeps their order', () => {
    const { deadlines, seconds } = counted();
    for (const hours of [5, 1, 3]) deadlines.add(`${hours}`, start + hours * hour);
    deadlines.add('later', start + 2 * decades);
    seconds.lookups = 0;

    expect(deadlines.takeDue(start + decades)).toEqual(['1', '3', '5']);

    expect(seconds.lookups).toBeLessThan(200);
    expect(deadlines.takeDue(start + decades + hour)).toEqual([]);
    expect(deadlines.takeDue(start + 2 * decades)).toEqual(['later']);
  });

  it('[A38] after such a jump what is added is due at its time', () => {
    const { deadlines } = counted();
    deadlines.takeDue(start + decades);

    deadlines.add('past', start);
    deadlines.add('soon', start + decades + 5000);

    expect(deadlines.takeDue(start + decades + 1000)).toEqual(['past']);
    expect(deadlines.takeDue(start + decades + 5000)).toEqual(['soon']);
  });

  it('[A38] a clock that is set back gives nothing early and nothing twice, and loses nothing', () => {
    const { deadlines, seconds } = counted();
    deadlines.add('before', start + 10_000);
    expect(deadlines.takeDue(start + 5000)).toEqual([]);
    seconds.lookups = 0;

    expect(deadlines.takeDue(start - decades)).toEqual([]);
    deadlines.add('by the old clock', start - decades + 1000);
    deadlines.add('taken back', start - decades + 1000);
    deadlines.delete('taken back', start - decades + 1000);

    expect(deadlines.takeDue(start - hour)).toEqual([]);
    expect(deadlines.takeDue(start + 20_000)).toEqual(['by the old clock', 'before']);
    expect(deadlines.takeDue(start + hour)).toEqual([]);
    expect(seconds.lookups).toBeLessThan(5000);
  });
});
