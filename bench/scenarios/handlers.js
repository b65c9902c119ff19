import { startOursAlone, startOursWith, withBrokers } from '../support/brokers.js';
import { compareOnOneNode } from '../support/one-node.js';

const none = 'no handler';
const starts = {
  [none]: startOursAlone,
  'a handler of other topics': startOursWith({ pattern: 'elsewhere/#', mode: 'gate' }),
  observe: startOursWith({ pattern: '#', mode: 'observe' }),
  ack: startOursWith({ pattern: '#', mode: 'ack' }),
  gate: startOursWith({ pattern: '#', mode: 'gate' }),
};

/** One node: what a method that does nothing costs for each message, by its mode. */
export const handlers = {
  title: 'what a Nest handler that does nothing costs for each message, by its mode',
  rounds: 3,
  async run(options) {
    for (const rows of await compareOnOneNode(withBrokers, starts, 'handler', options)) printCosts(rows);
  },
};

function printCosts(rows) {
  const microseconds = ({ perCpuSecond }) => 1e6 / perCpuSecond;
  const without = microseconds(rows.find(({ handler }) => handler === none));
  for (const row of rows.filter(({ handler }) => handler !== none)) {
    console.log(
      `QoS ${row.qos}, ${row.handler}: ${(microseconds(row) - without).toFixed(2)} us of CPU more for each message`,
    );
  }
}
