namespace BillingMigration.Source;

/// <summary>Another server answers behind the source's address than the one that a position belongs to: whoever follows takes the stream up anew.</summary>
internal sealed class AnotherServerException(string message) : IOException(message);
