using System.Globalization;
using System.Text;
using BillingMigration.Source.Binlog.Wire;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// A set of MySQL's global transaction identifiers, <c>uuid:1-5:7,uuid:tag:1-3</c>, with the tags of MySQL 8.3 and later. Its text is the server's own,
/// without the line ends after commas. Not for use by two threads at once.
/// https://dev.mysql.com/doc/refman/8.4/en/replication-gtids-concepts.html
/// </summary>
public sealed class GtidSet : IEquatable<GtidSet>
{
    private const int MaxTagLength = 32;
    private const int UuidLength = 16;

    private readonly SortedDictionary<GtidSource, GtidIntervals> sources = [];
    private (GtidSource Source, GtidIntervals Intervals)? latest;

    /// <summary>Who numbered the transactions: a server's UUID, and a tag or nothing.</summary>
    private readonly record struct GtidSource(Guid Uuid, string Tag) : IComparable<GtidSource>
    {
        public int CompareTo(GtidSource other) => Uuid.CompareTo(other.Uuid) is not 0 and var order ? order : string.CompareOrdinal(Tag, other.Tag);
    }

    public bool IsEmpty => sources.Count == 0;

    /// <exception cref="MigrationException"><c>GtidSetInvalid</c>.</exception>
    public static GtidSet Parse(string text)
    {
        var set = new GtidSet();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            set.AddText(part, text);
        }

        return set;
    }

    /// <summary>Adds one identifier, <c>uuid:5</c> or <c>uuid:tag:5</c>, or any set.</summary>
    public void Add(string gtid)
    {
        foreach (var part in gtid.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            AddText(part, gtid);
        }
    }

    /// <param name="tag">Empty for none.</param>
    public void Add(Guid uuid, string tag, long number)
    {
        Check(number is > 0 and <= GtidIntervals.MaxNumber && IsTagOrEmpty(tag), $"{uuid:D}:{tag}:{number}");
        IntervalsOf(new GtidSource(uuid, tag)).Add(number, number);
    }

    public void UnionWith(GtidSet other)
    {
        foreach (var (source, intervals) in other.sources)
        {
            foreach (var interval in intervals.All.ToArray())
            {
                IntervalsOf(source).Add(interval.First, interval.Last);
            }
        }
    }

    /// <summary>What both sets have.</summary>
    public GtidSet Intersect(GtidSet other)
    {
        var both = new GtidSet();
        foreach (var (source, own) in sources)
        {
            if (!other.sources.TryGetValue(source, out var theirs))
            {
                continue;
            }

            foreach (var (one, two) in own.All.SelectMany(one => theirs.All.Select(two => (one, two))).Where(p => p.one.First <= p.two.Last && p.two.First <= p.one.Last))
            {
                both.IntervalsOf(source).Add(Math.Max(one.First, two.First), Math.Min(one.Last, two.Last));
            }
        }

        return both;
    }

    /// <param name="gtid">One identifier or a set.</param>
    public bool Contains(string gtid) => Parse(gtid).IsSubsetOf(this);

    public bool Contains(Guid uuid, string tag, long number) =>
        sources.TryGetValue(new GtidSource(uuid, tag), out var intervals) && intervals.Contains(number, number);

    public bool IsSubsetOf(GtidSet other) => sources.All(own => other.sources.TryGetValue(own.Key, out var theirs) && theirs.Contains(own.Value));

    public GtidSet Clone()
    {
        var clone = new GtidSet();
        clone.UnionWith(this);
        return clone;
    }

    public bool Equals(GtidSet? other) => other is not null && IsSubsetOf(other) && other.IsSubsetOf(this);

    public override bool Equals(object? obj) => Equals(obj as GtidSet);

    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    public override string ToString()
    {
        var text = new StringBuilder();
        Guid? uuid = null;
        foreach (var (source, intervals) in sources)
        {
            if (source.Uuid != uuid)
            {
                text.Append(uuid is null ? "" : ",").Append(source.Uuid.ToString("D"));
                uuid = source.Uuid;
            }

            text.Append(source.Tag.Length == 0 ? "" : ":" + source.Tag);
            foreach (var (first, last) in intervals.All)
            {
                text.Append(':').Append(CultureInfo.InvariantCulture, $"{first}");
                if (last > first)
                {
                    text.Append('-').Append(CultureInfo.InvariantCulture, $"{last}");
                }
            }
        }

        return text.ToString();
    }

    /// <summary>
    /// The form of COM_BINLOG_DUMP_GTID and PREVIOUS_GTIDS: version 0 for sets without tags, which every server reads, else version 1, in which the
    /// count lies between two bytes of the version and each source has its tag.
    /// https://dev.mysql.com/doc/dev/mysql-server/latest/structmysql_1_1gtids_1_1detail_1_1Gtid__set__header.html
    /// </summary>
    internal byte[] Encode()
    {
        var tagged = sources.Keys.Any(s => s.Tag.Length > 0);
        var writer = new PayloadWriter().UInt64(tagged ? 1 | ((ulong)sources.Count << 8) | (1UL << 56) : (ulong)sources.Count);
        Span<byte> uuid = stackalloc byte[UuidLength];
        foreach (var (source, intervals) in sources)
        {
            source.Uuid.TryWriteBytes(uuid, bigEndian: true, out _);
            writer.Bytes(uuid);
            if (tagged)
            {
                // MySQL's variable-length integer: of one byte, with its lowest bit 0, for these lengths.
                writer.Byte((byte)(source.Tag.Length << 1)).Text(source.Tag);
            }

            writer.UInt64((ulong)intervals.All.Count);
            foreach (var (first, last) in intervals.All)
            {
                writer.UInt64((ulong)first).UInt64((ulong)last + 1);
            }
        }

        return writer.Written.ToArray();
    }

    /// <summary>Reads what <see cref="Encode"/> and the server's PREVIOUS_GTIDS event write.</summary>
    /// <exception cref="MigrationException">The bytes are no set.</exception>
    public static GtidSet Decode(ReadOnlySpan<byte> encoded)
    {
        var reader = new PayloadReader(encoded);
        var header = reader.UInt64();
        var tagged = header >> 56 == 1;
        if (header >> 56 > 1 || (tagged && (header & 0xff) != 1))
        {
            throw WireErrors.Malformed("a GTID set of an unknown form");
        }

        var set = new GtidSet();
        var count = tagged ? (header >> 8) & 0xffffffffffff : header;
        for (ulong i = 0; i < count; i++)
        {
            var uuid = new Guid(reader.Bytes(UuidLength), bigEndian: true);
            var tag = tagged ? Encoding.ASCII.GetString(reader.Bytes(TagLength(reader.Byte()))) : "";
            if (!IsTagOrEmpty(tag))
            {
                throw WireErrors.Malformed("a GTID tag that is none");
            }

            for (var left = reader.UInt64(); left > 0; left--)
            {
                var (first, end) = (reader.UInt64(), reader.UInt64());
                if (first == 0 || first >= end || end > long.MaxValue)
                {
                    throw WireErrors.Malformed("a GTID interval that is none");
                }

                set.IntervalsOf(new GtidSource(uuid, tag)).Add((long)first, (long)end - 1);
            }
        }

        return reader.IsEmpty ? set : throw WireErrors.Malformed("bytes behind a GTID set");
    }

    private static int TagLength(byte encoded) =>
        (encoded & 1) == 0 && encoded >> 1 <= MaxTagLength ? encoded >> 1 : throw WireErrors.Malformed("a GTID tag that is too long");

    private GtidIntervals IntervalsOf(GtidSource source)
    {
        if (latest is { } known && known.Source == source)
        {
            return known.Intervals;
        }

        if (!sources.TryGetValue(source, out var intervals))
        {
            sources.Add(source, intervals = new GtidIntervals());
        }

        latest = (source, intervals);
        return intervals;
    }

    private void AddText(string part, string whole)
    {
        var elements = part.Split(':', StringSplitOptions.TrimEntries);
        Check(Guid.TryParseExact(elements[0], "D", out var uuid) && elements.Length > 1, whole);
        var tag = "";
        var complete = false;
        foreach (var element in elements.AsSpan(1))
        {
            if (element.Length > 0 && !char.IsAsciiDigit(element[0]))
            {
                Check(tag.Length == 0 || complete, whole);
                (tag, complete) = (element.ToLowerInvariant(), false);
                Check(IsTagOrEmpty(tag), whole);
                continue;
            }

            var dash = element.IndexOf('-', StringComparison.Ordinal);
            var first = Number(dash < 0 ? element : element[..dash], whole);
            var last = dash < 0 ? first : Number(element[(dash + 1)..], whole);
            Check(first <= last, whole);
            IntervalsOf(new GtidSource(uuid, tag)).Add(first, last);
            complete = true;
        }

        Check(complete, whole);
    }

    private static long Number(string text, string whole)
    {
        Check(long.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= GtidIntervals.MaxNumber, whole);
        return number;
    }

    private static bool IsTagOrEmpty(string tag) =>
        tag.Length <= MaxTagLength && tag.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_') && (tag.Length == 0 || !char.IsAsciiDigit(tag[0]));

    private static void Check(bool valid, string text)
    {
        if (!valid)
        {
            throw new MigrationException(
                "GtidSetInvalid", MigrationErrorKind.InvalidArgument,
                $"\"{text}\" is no GTID set of MySQL. Write it as SELECT @@global.gtid_executed shows it, for example 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:8.", text);
        }
    }
}
