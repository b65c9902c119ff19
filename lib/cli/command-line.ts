import { parseArgs } from 'node:util';

interface Described {
  readonly help: string;
  /** What its value is called; absent for switches. */
  readonly value?: string;
}

/** Every option, as `--help` shows it. */
const described = {
  port: { value: 'N', help: 'TCP port; 0 takes a free one (1883)' },
  host: { value: 'ADDRESS', help: 'address to listen on (127.0.0.1; with users or --allow-anonymous all)' },
  ipv4: { help: 'listen on 127.0.0.1 or, where it is open to the network, 0.0.0.0' },
  ipv6: { help: 'listen on ::1 or, where it is open to the network, ::' },
  'tls-port': { value: 'N', help: 'TLS port, besides the TCP one' },
  key: { value: 'FILE', help: 'private key for TLS, PEM' },
  cert: { value: 'FILE', help: 'certificate for TLS, PEM' },
  ca: { value: 'FILE', help: 'clients need certificates signed by this authority, and are the users these name' },
  'ws-port': { value: 'N', help: 'WebSocket port, path /mqtt; with --key and --cert over TLS' },
  'password-file': { value: 'FILE', help: 'users: NAME:HASH on each line, see --hash-password' },
  'allow-anonymous': { help: 'let everybody in, from everywhere' },
  store: { value: 'FOLDER', help: 'keep sessions, their queues and retained messages there' },
  redis: { value: 'URL', help: 'be one of several nodes around this Redis' },
  config: { value: 'FILE', help: "misbehave as this configuration file of curl's MQTT test server says" },
  logdir: { value: 'FOLDER', help: 'where the files testN are that --config may name (its folder)' },
  logfile: { value: 'FILE', help: 'append log lines to this file, not to standard output' },
  pidfile: { value: 'FILE', help: 'write the process id there; removed at the end' },
  portfile: { value: 'FILE', help: 'write the TCP port there; removed at the end' },
  'hash-password': { help: 'read a password from standard input, print its hash, and end' },
  version: { help: 'print the version, and end' },
  help: { help: 'print this, and end' },
} as const satisfies Record<string, Described>;

type Name = keyof typeof described;
type Switch = { [N in Name]: (typeof described)[N] extends { value: string } ? never : N }[Name];

/** What was asked for, from arguments and else from the environment. */
export type CommandLine = { readonly [N in Exclude<Name, Switch>]?: string } & { readonly [N in Switch]?: boolean };

/** The command line cannot be understood: the text says what and what to do. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError';
}

const names = Object.keys(described) as Name[];
const isSwitch = (name: Name): name is Switch => !('value' in described[name]);
/** `--tls-port` is MQTTD_TLS_PORT. */
const variableOf = (name: Name): string => `MQTTD_${name.toUpperCase().replaceAll('-', '_')}`;

/**
 * @param args without node and script
 * @throws CommandLineError
 */
export function readCommandLine(args: readonly string[], environment: NodeJS.ProcessEnv): CommandLine {
  return { ...readEnvironment(environment), ...readArguments(args) };
}

function readArguments(args: readonly string[]): CommandLine {
  const options = Object.fromEntries(
    names.map((name) => [name, { type: isSwitch(name) ? ('boolean' as const) : ('string' as const) }]),
  );
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false });
    const empty = names.find((name) => values[name] === '');
    if (empty !== undefined) throw new CommandLineError(`--${empty}: has no value`);
    return values;
  } catch (error) {
    if (error instanceof CommandLineError) throw error;
    // Its first sentence says what is wrong; the rest is about positional arguments, of which there are none.
    throw new CommandLineError((error as Error).message.split('. ', 1)[0]);
  }
}

function readEnvironment(environment: NodeJS.ProcessEnv): CommandLine {
  const given: [name: Name, value: string | true][] = [];
  for (const name of names) {
    const value = environment[variableOf(name)];
    if (value === undefined || value === '') continue;
    if (!isSwitch(name)) given.push([name, value]);
    else if (/^(1|true|yes|on)$/i.test(value)) given.push([name, true]);
    else if (!/^(0|false|no|off)$/i.test(value))
      throw new CommandLineError(`${variableOf(name)}: ${JSON.stringify(value)}; use true or false`);
  }
  return Object.fromEntries(given);
}

/** @throws CommandLineError for what is no port */
export function portOf(name: 'port' | 'tls-port' | 'ws-port', value: string): number {
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value);
  throw new CommandLineError(`--${name}: ${JSON.stringify(value)} is not a port; use a number from 0 to 65535`);
}

export function helpText(): string {
  const left = names.map((name) => `--${name}${isSwitch(name) ? '' : ` ${(described[name] as Described).value}`}`);
  const width = Math.max(...left.map((text) => text.length));
  const lines = names.map((name, index) => `  ${left[index].padEnd(width)}  ${described[name].help}`);
  return [
    'Usage: nestjs-mqttd [options]',
    '',
    'An MQTT 5, 3.1.1 and 3.1 broker. SIGTERM sends clients away and ends it; SIGHUP reads certificates and users again.',
    '',
    ...lines,
    '',
    'Each option may also come from the environment: MQTTD_PORT, MQTTD_TLS_PORT, MQTTD_ALLOW_ANONYMOUS=true and so on.',
    '',
  ].join('\n');
}
