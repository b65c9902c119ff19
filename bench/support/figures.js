/** The middle one, or the mean of the two middle ones. */
export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

export const sum = (values) => values.reduce((total, value) => total + value, 0);

/** What several runs of the same come to: medians; the worst of what disturbs; all that went wrong. */
export function summarize(results) {
  const all = (name) => results.map((result) => result[name]);
  return {
    perSecond: median(all('msgs_per_s')),
    perCpuSecond: median(all('msgs_per_broker_cpu_s')),
    cpuMicroseconds: 1_000_000 / median(all('msgs_per_broker_cpu_s')),
    generator: median(all('loadgen_util')),
    // Counted in hundredths on both sides: a little less than nothing is nothing.
    otherCpu: Math.max(0, ...all('other_cpu')),
    lost: sum(all('lost')),
    duplicated: sum(all('dup')),
    reordered: sum(all('reordered')),
    isKept: results.every(({ ok }) => ok === 1),
  };
}

/** Columns that every table has. */
export const commonColumns = {
  'messages/s': ({ perSecond }) => whole(perSecond),
  'per CPU-second': ({ perCpuSecond }) => whole(perCpuSecond),
  'CPU us/message': ({ cpuMicroseconds }) => cpuMicroseconds.toFixed(2),
  generator: ({ generator }) => `${Math.round(100 * generator)} %`,
  'other CPU s': ({ otherCpu }) => otherCpu.toFixed(2),
  lost: ({ lost }) => lost,
  duplicated: ({ duplicated }) => duplicated,
  reordered: ({ reordered }) => reordered,
  guarantees: ({ isKept }) => (isKept ? 'kept' : 'BROKEN'),
};

export const whole = (value) => Math.round(value).toLocaleString('en');
