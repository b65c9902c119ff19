/** The host of a URL. */
export const urlHost = (host = '0.0.0.0'): string => (host.includes(':') ? `[${host}]` : host);

/**
 * Why a port cannot be had, with the option and the remedy.
 * @param wanted `optionPath` is how error texts call the listener; empty when port and host stand alone
 */
export function explainListenError(
  error: NodeJS.ErrnoException,
  { port, host, optionPath = '' }: { port: number; host?: string | undefined; optionPath?: string | undefined },
  name: string,
): Error {
  const prefix = optionPath === '' ? '' : `${optionPath}.`;
  const reasons: Record<string, string> = {
    EADDRINUSE: `${prefix}port: ${port} is taken by another process; choose another port or stop it`,
    EACCES: `${prefix}port: ${port} needs more rights; choose a port above 1023`,
    EADDRNOTAVAIL: `${prefix}host: '${host}' is not an address of this machine`,
    ENOTFOUND: `${prefix}host: '${host}' cannot be resolved`,
  };
  const reason = reasons[error.code ?? ''] ?? `${prefix}port: cannot listen on ${name}: ${error.message}`;
  return Object.assign(new Error(reason, { cause: error }), { code: error.code });
}
