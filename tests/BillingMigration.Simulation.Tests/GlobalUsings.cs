global using BillingMigration.Store;
global using Xunit;
