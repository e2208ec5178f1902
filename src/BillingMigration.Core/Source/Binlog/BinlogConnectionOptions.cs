using System.Security.Cryptography;

namespace BillingMigration.Source.Binlog;

/// <summary>How a stream behaves. Use one instance for every connection of a job: the server ends an older connection of the same replica when it comes back.</summary>
public sealed record BinlogConnectionOptions
{
    /// <summary>Folder that a relative CA file name starts from; null: the current one.</summary>
    public string? BaseDirectory { get; init; }

    /// <summary>The replica's number, which no other replica or client of the source may have; random.</summary>
    public uint ServerId { get; init; } = (uint)RandomNumberGenerator.GetInt32(1 << 30, int.MaxValue);

    /// <summary>The replica's identity for MySQL; random.</summary>
    public Guid ReplicaUuid { get; init; } = Guid.NewGuid();

    /// <summary>How often the server speaks when it has nothing to say, more than zero. A connection silent for three periods is lost.</summary>
    public TimeSpan HeartbeatPeriod { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>For connecting, TLS and login together.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long the server may look for the start before its first event: it opens binlogs from the newest to the oldest.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>End at the last event that the server has, instead of waiting for more.</summary>
    public bool StopAtEnd { get; init; }
}
