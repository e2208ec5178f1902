namespace BillingMigration.Source.Binlog;

/// <summary>The replication connection is gone: reset, closed by the server, or silent for too long. Connecting again from the last checkpoint goes on.</summary>
public sealed class BinlogConnectionLostException(string message, Exception? inner = null) : IOException(message, inner);
