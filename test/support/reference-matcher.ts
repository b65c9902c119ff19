/** MQTT 5, 4.7, in ten lines: too slow for a broker, too short to be wrong. Filter and topic are well-formed. */
export function referenceMatches(filter: string, topic: string): boolean {
  // [MQTT-4.7.2-1]
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  return levelsMatch(filter.split('/'), topic.split('/'));
}

function levelsMatch([wanted, ...filter]: string[], [level, ...topic]: string[]): boolean {
  if (wanted === '#') return true;
  if (wanted === undefined || level === undefined) return wanted === level;
  return (wanted === '+' || wanted === level) && levelsMatch(filter, topic);
}
