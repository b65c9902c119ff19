import { DirectRouter } from '../../../lib/routers/direct.router.js';
import { MemoryStore } from '../../../lib/stores/memory.store.js';
import { LateStore } from '../../support/slow-store.js';
import { describeStore } from '../../support/store-contract.js';

describeStore('MemoryStore', () => ({ router: new DirectRouter(), store: new MemoryStore() }));

describeStore(
  'a store that is done with a tick some turns later',
  () => ({ router: new DirectRouter(), store: new LateStore() }),
  {
    fail: (store) => (store as LateStore).fail(),
  },
);
