using BillingMigration.Testing;

[assembly: AssemblyFixture(typeof(TestServers))]
