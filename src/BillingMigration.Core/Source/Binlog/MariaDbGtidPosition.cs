using System.Globalization;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// A position of MariaDB: the last transaction of each replication domain, <c>0-1-100,1-2-7</c>. Its text has the domains in order. Not for use by two threads
/// at once. https://mariadb.com/kb/en/gtid/
/// </summary>
public sealed class MariaDbGtidPosition : IEquatable<MariaDbGtidPosition>
{
    private readonly SortedDictionary<uint, (uint Server, ulong Sequence)> domains = [];

    public bool IsEmpty => domains.Count == 0;

    /// <exception cref="MigrationException"><c>GtidPositionInvalid</c>.</exception>
    public static MariaDbGtidPosition Parse(string text)
    {
        var position = new MariaDbGtidPosition();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var (domain, server, sequence) = ParseOne(part, text);
            if (!position.domains.TryAdd(domain, (server, sequence)))
            {
                throw Invalid(text);
            }
        }

        return position;
    }

    /// <summary>Takes one identifier, <c>0-1-101</c>, as the last of its domain, whatever came before: the stream's order is the domain's order.</summary>
    public void Add(string gtid)
    {
        var (domain, server, sequence) = ParseOne(gtid, gtid);
        Add(domain, server, sequence);
    }

    public void Add(uint domain, uint server, ulong sequence) => domains[domain] = (server, sequence);

    /// <summary>True when a transaction of its domain with this sequence number or a later one has been taken.</summary>
    public bool Contains(string gtid)
    {
        var (domain, _, sequence) = ParseOne(gtid, gtid);
        return Contains(domain, sequence);
    }

    public bool Contains(uint domain, ulong sequence) => domains.TryGetValue(domain, out var last) && last.Sequence >= sequence;

    /// <summary>True when everything in <paramref name="other"/> has been taken.</summary>
    public bool Contains(MariaDbGtidPosition other) => other.domains.All(d => Contains(d.Key, d.Value.Sequence));

    public MariaDbGtidPosition Clone()
    {
        var clone = new MariaDbGtidPosition();
        foreach (var (domain, last) in domains)
        {
            clone.domains.Add(domain, last);
        }

        return clone;
    }

    public bool Equals(MariaDbGtidPosition? other) => other is not null && domains.SequenceEqual(other.domains);

    public override bool Equals(object? obj) => Equals(obj as MariaDbGtidPosition);

    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    public override string ToString() =>
        string.Join(',', domains.Select(d => string.Create(CultureInfo.InvariantCulture, $"{d.Key}-{d.Value.Server}-{d.Value.Sequence}")));

    private static (uint Domain, uint Server, ulong Sequence) ParseOne(string gtid, string whole)
    {
        var parts = gtid.Split('-');
        return parts.Length == 3
            && uint.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var domain)
            && uint.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var server)
            && ulong.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)
            ? (domain, server, sequence)
            : throw Invalid(whole);
    }

    private static MigrationException Invalid(string text) => new(
        "GtidPositionInvalid", MigrationErrorKind.InvalidArgument,
        $"\"{text}\" is no GTID position of MariaDB. Write it as SELECT @@global.gtid_binlog_pos shows it, for example 0-1-100.", text);
}
