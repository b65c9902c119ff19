import { startOurs, startOursAlone, untilStatus, withNodes } from '../support/brokers.js';
import { whole } from '../support/figures.js';
import { loadPairs } from '../support/mqttload.js';
import { compareOnOneNode } from '../support/one-node.js';
import { commandsBetween } from '../support/redis.js';

const nodes = { 'with Redis': startOurs, 'without Redis': () => startOursAlone() };

/** Publishers and subscribers on one node: what it costs them that there could be other nodes. */
export const direct = {
  title: 'one node with Redis that no other node wants anything of, and one without',
  rounds: 9,
  async run(options) {
    for (const rows of await compareOnOneNode(withNodes, nodes, 'node', options)) printRatio(rows);
    for (const qos of [0, 1]) await showSilence(qos, options.seconds);
  },
};

function printRatio([withRedis, without]) {
  const perSecond = (withRedis.perSecond / without.perSecond).toFixed(2);
  const perCpuSecond = (withRedis.perCpuSecond / without.perCpuSecond).toFixed(2);
  console.log(
    `QoS ${withRedis.qos}: with Redis ${perSecond} times the messages/s (aim: at least 0.8), ` +
      `${perCpuSecond} times per CPU-second`,
  );
}

/** A run of its own: asking would disturb what is measured. */
const showSilence = (qos, seconds) =>
  withNodes([startOurs], async ({ redis, nodes: [node], pids }) => {
    const load = loadPairs({ '-p': node.port, '-q': qos, '-t': seconds, pids });
    const { messages, commands } = await Promise.race([watch(redis, node), endOf(load)]);
    await load;
    const named = [...commands].map(([name, calls]) => `${name} ${calls}`).join(', ');
    console.log(`QoS ${qos}: Redis commands while the node took ${whole(messages)} messages: ${named || 'none'}`);
  });

/** Starts when messages flow, as connecting and subscribing do cost commands, and ends while they still flow. */
async function watch(redis, node) {
  await untilStatus(node, ({ messagesReceived }) => messagesReceived > 1000);
  const before = await redis.commands();
  const { messagesReceived: first } = await node.status();
  const { messagesReceived: last } = await untilStatus(
    node,
    ({ messagesReceived }) => messagesReceived > first + 20_000,
  );
  const after = await redis.commands();
  return { messages: last - first, commands: commandsBetween(before, after) };
}

async function endOf(load) {
  await load;
  throw new Error('the load was over before it could be watched: give it more seconds (-t)');
}
