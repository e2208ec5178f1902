namespace BillingMigration.Source.Binlog;

/// <summary>
/// The table maps of the stream by their id. A map that comes again with the same bytes is not read again; flags apart, which differ from
/// statement to statement.
/// </summary>
internal sealed class TableMaps
{
    // A server that alters tables all day must not fill the memory: maps come again with every statement.
    private const int Most = 1000;
    private const int IdLength = 6;
    private const int FlagsLength = 2;

    private readonly Dictionary<ulong, (byte[] Bytes, TableMap Map)> byId = [];

    /// <summary>The file that is read is one of MariaDB.</summary>
    public bool MariaDb { get; set; }

    public TableMap Read(ReadOnlyMemory<byte> body)
    {
        var reader = new EventReader(body.Span);
        var id = reader.UInt48();
        reader.UInt16();
        var rest = body.Span[(IdLength + FlagsLength)..];
        if (byId.TryGetValue(id, out var known) && rest.SequenceEqual(known.Bytes))
        {
            return known.Map;
        }

        var map = TableMapParser.Parse(id, rest, MariaDb);
        if (byId.Count >= Most)
        {
            byId.Clear();
        }

        byId[id] = (rest.ToArray(), map);
        return map;
    }

    public TableMap Find(ulong id) => byId.TryGetValue(id, out var known) ? known.Map : throw EventErrors.Unreadable("rows come before the map of their table");
}
