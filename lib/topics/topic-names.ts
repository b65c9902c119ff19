/** The rules of MQTT 5, 4.7 and 4.8.2, for topic names and topic filters as strings. */

const longestBytes = 65_535;
const dollar = 0x24;
/** Levels that a name or filter may have: what is walked recursively and kept per level has a bound. */
export const maximumLevels = 128;

/** Whether messages can be published to `topic`: 1 to 65,535 bytes, no wildcard, no U+0000, at most 128 levels. */
export function isTopicName(topic: string): boolean {
  return isText(topic) && !topic.includes('+') && !topic.includes('#');
}

/**
 * Whether `filter` can be subscribed to, a shared one (`$share/group/filter`) included.
 *
 * `+` must fill a level, `#` must fill the last one.
 */
export function isTopicFilter(filter: string): boolean {
  if (!isText(filter)) return false;
  if (isShared(filter)) {
    const share = parseShare(filter);
    return share !== undefined && isTopicFilter(share.filter) && !isShared(share.filter);
  }
  if (!hasWildcard(filter)) return true;
  const levels = filter.split('/');
  return levels.every(
    (level, index) =>
      (level === '#' && index === levels.length - 1) || level === '+' || !(level.includes('+') || level.includes('#')),
  );
}

/** Whether a filter is meant as a Shared Subscription, well-formed or not. */
export const isShared = (filter: string): boolean => filter.startsWith('$share/') || filter === '$share';

/** The parts of `$share/group/filter`, or undefined where ShareName or filter are missing or not allowed. */
export function parseShare(filter: string): { group: string; filter: string } | undefined {
  const slash = filter.indexOf('/', 7);
  // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
  if (!filter.startsWith('$share/') || slash < 8 || slash === filter.length - 1) return undefined;
  const group = filter.slice(7, slash);
  return hasWildcard(group) ? undefined : { group, filter: filter.slice(slash + 1) };
}

/** Whether a topic is the broker's own: clients may read it at most. Asked for each message, so the first character decides. */
export const isReserved = (topic: string): boolean =>
  topic.charCodeAt(0) === dollar && /^\$(?:SYS|CONTROL|share)(?:\/|$)/.test(topic);

/** Whether `+` or `#` occurs at all. */
export const hasWildcard = (filter: string): boolean => filter.includes('+') || filter.includes('#');

/** Whether a message on `topic` goes to `filter`; the tree answers the same for many filters at once. */
export function matches(filter: string, topic: string): boolean {
  // [MQTT-4.7.2-1]
  if (topic.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) return false;
  return covers(filter, topic);
}

/** Whether every topic that `requested` matches is matched by `declared` as well. Neither has a share. */
export function covers(declared: string, requested: string): boolean {
  if (requested.startsWith('$') && (declared.startsWith('+') || declared.startsWith('#'))) return false;
  const outer = declared.split('/');
  const inner = requested.split('/');
  for (let index = 0; index < outer.length; index++) {
    const level = outer[index];
    if (level === '#') return true;
    if (index >= inner.length) return false;
    const asked = inner[index];
    // `+/#` is `#`: every topic has a first level.
    if (asked === '#') return index === 0 && declared === '+/#';
    if (level !== '+' && level !== asked) return false;
  }
  return outer.length === inner.length;
}

/** Where a named level stands: `sensors/:id/temperature` has `id` at level 1. */
export interface NamedLevel {
  readonly name: string;
  readonly level: number;
  /** It stands for this level and all behind it (`:name#`). */
  readonly isRest: boolean;
}

/**
 * A declared pattern as a filter: a level `:name` is `+` with a name, `:name#` as the last level is `#` with a name.
 * A level that is only `:` is literal.
 */
export function parsePattern(pattern: string): { filter: string; names: NamedLevel[] } {
  const names: NamedLevel[] = [];
  const levels = pattern.split('/').map((text, level) => {
    const named = /^:([^:+#]+)(#?)$/.exec(text);
    if (!named) return text;
    const isRest = named[2] === '#';
    names.push({ name: named[1], level, isRest });
    return isRest ? '#' : '+';
  });
  return { filter: levels.join('/'), names };
}

function isText(text: string): boolean {
  return (
    text.length > 0 &&
    !/\p{Surrogate}/u.test(text) &&
    !text.includes('\0') &&
    Buffer.byteLength(text) <= longestBytes &&
    levelsWithin(text)
  );
}

function levelsWithin(text: string): boolean {
  let levels = 1;
  for (let at = text.indexOf('/'); at !== -1; at = text.indexOf('/', at + 1))
    if (++levels > maximumLevels) return false;
  return true;
}
