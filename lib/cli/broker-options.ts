import { CredentialsAuth, type MQTTdListenerOptions, type MQTTdOptions } from '../index.js';
import { CommandLineError, portOf, type CommandLine } from './command-line.js';
import { readUsers, replaceUsers } from './users-file.js';

/** The options of the broker, and what reads its users again. */
export interface BrokerSetup {
  readonly options: MQTTdOptions;
  /** @throws Error when the file cannot be used: then all stays as it was */
  readonly reloadUsers: () => void;
}

/** @throws CommandLineError for options that contradict each other or mean nothing */
export function brokerOptions(given: CommandLine): BrokerSetup {
  checkTogether(given);
  const {
    config: configFile,
    logdir: logDirectory,
    redis: url,
    store: path,
    ca,
    key,
    cert,
    'allow-anonymous': allowAnonymous,
  } = given;
  const users = usersOf(given);
  const auth = users?.make(false);
  const host = hostOf(given, auth !== undefined || allowAnonymous === true);
  const listeners: MQTTdListenerOptions[] = [{ tcp: { port: portOf('port', given.port ?? '1883'), host } }];
  if (given['tls-port'] !== undefined) {
    const tls = { port: portOf('tls-port', given['tls-port']), host, key, cert, ca };
    if (ca === undefined) listeners.push({ tls });
    // A certificate is the password: who has none is not let in.
    else
      listeners.push({
        tls: { ...tls, requestCert: true, rejectUnauthorized: true },
        auth: (users ?? noUsers()).make(true),
      });
  }
  if (given['ws-port'] !== undefined) {
    listeners.push({ ws: { port: portOf('ws-port', given['ws-port']), host, key, cert } });
  }
  const options: MQTTdOptions = {
    listeners,
    ...(auth && { auth }),
    ...(allowAnonymous && { allowAnonymous }),
    ...(url !== undefined && { redis: { url } }),
    ...(path !== undefined && { store: { path } }),
    ...(configFile !== undefined && { configFile, logDirectory }),
  };
  return { options, reloadUsers: () => users?.reload() };
}

function checkTogether(given: CommandLine): void {
  const needs = (name: keyof CommandLine, ...others: (keyof CommandLine)[]): void => {
    if (given[name] === undefined || others.some((other) => given[other] !== undefined)) return;
    throw new CommandLineError(`--${name}: means nothing without ${others.map((other) => `--${other}`).join(' or ')}`);
  };
  needs('key', 'tls-port', 'ws-port');
  needs('cert', 'key');
  needs('key', 'cert');
  needs('tls-port', 'key');
  needs('ca', 'tls-port');
  needs('logdir', 'config');
  const excludes = (name: keyof CommandLine, other: keyof CommandLine): void => {
    if (given[name] === undefined || given[other] === undefined) return;
    throw new CommandLineError(`--${name}: cannot stand beside --${other}; leave one of them out`);
  };
  excludes('store', 'redis');
  excludes('ipv4', 'ipv6');
  excludes('ipv4', 'host');
  excludes('ipv6', 'host');
  excludes('allow-anonymous', 'password-file');
}

/** Undefined leaves it to the broker, which is open to the network only where somebody decides who comes in. */
function hostOf({ host, ipv4, ipv6 }: CommandLine, isProtected: boolean): string | undefined {
  if (ipv4) return isProtected ? '0.0.0.0' : '127.0.0.1';
  if (ipv6) return isProtected ? '::' : '::1';
  return host;
}

/** Users of a file, and those who have to know when it changes. */
class FileUsers {
  private readonly auths: CredentialsAuth[] = [];

  constructor(
    private users: Map<string, string>,
    private readonly read: () => Map<string, string>,
  ) {}

  make(certificates: boolean): CredentialsAuth {
    const auth = new CredentialsAuth(Object.fromEntries(this.users), {}, certificates);
    this.auths.push(auth);
    return auth;
  }

  reload(): void {
    const users = this.read();
    for (const auth of this.auths) replaceUsers(auth, this.users, users);
    this.users = users;
  }
}

function usersOf({ 'password-file': file }: CommandLine): FileUsers | undefined {
  if (file === undefined) return undefined;
  try {
    return new FileUsers(readUsers(file), () => readUsers(file));
  } catch (error) {
    throw new CommandLineError(`--password-file: ${(error as Error).message}`);
  }
}

const noUsers = (): FileUsers => new FileUsers(new Map(), () => new Map());
