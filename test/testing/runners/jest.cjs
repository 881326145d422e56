/* global expect, test -- jest's */
require('./suite.cjs')(test, expect);
