const { describe, test } = require('node:test');

describe('tocsin/testing', { concurrency: true }, () => {
  require('./suite.cjs')(test);
});
