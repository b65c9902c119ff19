/** @param path as the options have it */
export const unusable = (path: string, reason: string, cause?: unknown): Error =>
  Object.assign(new Error(`store.path: '${path}' ${reason}`, { cause }), { code: 'STORE_UNUSABLE' });
