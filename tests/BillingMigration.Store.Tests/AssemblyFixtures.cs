using BillingMigration.Store.Tests;

[assembly: AssemblyFixture(typeof(SampleStores))]
