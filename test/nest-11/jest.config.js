import base from '../../jest.config.js';

const nest11 = '<rootDir>/test/nest-11/node_modules';

/** The whole of test/ once more, with Nest 11 and ioredis 5 in the place of Nest 12 and ioredis 6. */
export default {
  ...base,
  rootDir: '../..',
  setupFiles: [`${nest11}/reflect-metadata`],
  moduleNameMapper: {
    '^(@nestjs/.+|ioredis|rxjs|rxjs/.+|reflect-metadata|class-validator|class-transformer)$': `${nest11}/$1`,
    ...base.moduleNameMapper,
  },
};
