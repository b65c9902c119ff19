/**
 * Prints rows below each other, numbers to the right.
 *
 * @param columns header -> what of a row stands there
 */
export function printTable(columns, rows) {
  const lines = [Object.keys(columns), ...rows.map((row) => Object.values(columns).map((cell) => String(cell(row))))];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const isText = lines[0].map((_, column) => lines.slice(1).some((line) => /^[a-z]/i.test(line[column])));
  for (const line of lines) {
    const cells = line.map((cell, column) =>
      isText[column] ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
    );
    console.log(cells.join('  ').trimEnd());
  }
}
