import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TlsOptions,
} from 'node:tls';

/** As in `node:tls`, and other certificates for other host names. */
export interface ServerTlsOptions extends TlsOptions {
  /** By the name that a client asks for (SNI), `*.example.com` included; all others get `key` and `cert`. */
  readonly servers?: Readonly<Record<string, SecureContextOptions>> | undefined;
}

/** The certificates of a TLS server; they can be read again while connections are open. */
export class ServerCertificates {
  private byName: ReadonlyMap<string, SecureContext> = new Map();

  /** @param read gives what is to be used from now on: called at the start and at each reload */
  constructor(private readonly read: () => ServerTlsOptions) {}

  /** @throws Error when a key or certificate cannot be used */
  options(): TlsOptions {
    const { servers = {}, ...options } = this.read();
    this.byName = contextsOf(servers, options);
    const SNICallback: TlsOptions['SNICallback'] = (name, done) => done(null, this.contextFor(name));
    return { SNICallback, ...options };
  }

  /**
   * New connections get what is read now; open ones stay as they are.
   * @throws Error when a key or certificate cannot be used: then all stays as it was
   */
  reload(server: Server): void {
    const { servers = {}, ...options } = this.read();
    const byName = contextsOf(servers, options);
    createSecureContext(options);
    server.setSecureContext(options);
    this.byName = byName;
  }

  private contextFor(name: string): SecureContext | undefined {
    const lower = name.toLowerCase();
    return this.byName.get(lower) ?? this.byName.get(lower.replace(/^[^.]+/, '*'));
  }
}

/**
 * All but the certificate itself is that of the listener, `ca` first of all: without it a client that asks for such a name would
 * be let in with a certificate of any authority that the system trusts.
 */
function contextsOf(
  servers: NonNullable<ServerTlsOptions['servers']>,
  { key: _key, cert: _cert, pfx: _pfx, passphrase: _passphrase, ...common }: TlsOptions,
): Map<string, SecureContext> {
  return new Map(
    Object.entries(servers).map(([name, own]) => [name.toLowerCase(), createSecureContext({ ...common, ...own })]),
  );
}
