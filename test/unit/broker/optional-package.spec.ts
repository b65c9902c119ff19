import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { optionalPackage } from '../../../lib/broker/optional-package.js';
import { builtLib } from '../../support/built-lib.js';

describe('a package that only some configurations need', () => {
  it('is given when it is installed', async () => {
    const { SignJWT } = await optionalPackage('auth.jwt', 'jose', () => import('jose'));
    expect(SignJWT.name).toBe('SignJWT');
  });

  const builds = {
    'ES modules': builtLib(),
    CommonJS: builtLib('--module', 'commonjs', '--moduleResolution', 'bundler'),
  };

  it.each(['ES modules', 'CommonJS'] as const)('is named with what needs it when it is not, built as %s', (format) => {
    const path = `${builds[format]()}/broker/optional-package.js`;
    const program = `import(${JSON.stringify(path)}).then(({ optionalPackage }) =>
      optionalPackage('auth.jwt', 'not-there', () => import('not-there'))).catch(({ code, message }) => console.log(code, message))`;

    const { stdout } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });

    expect(stdout.trim()).toBe('MISSING_PACKAGE auth.jwt: needs the package not-there; run npm install not-there');
  });

  it('is not said to be missing when it fails for another reason', async () => {
    const broken = Object.assign(new Error("Cannot find module 'its-own-part'"), { code: 'MODULE_NOT_FOUND' });
    await expect(optionalPackage('auth.jwt', 'jose', () => Promise.reject(broken))).rejects.toBe(broken);
  });
});
