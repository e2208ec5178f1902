using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>What a query or a scan reads: a table or one of its indexes, through a filter and a projection.</summary>
internal sealed class View
{
    private ParsedProjection? projection;
    private Condition? filter;
    private IReadOnlyCollection<string> filterNames = [];

    private View(Table table, IndexSchema? index, EntryList entries, Bindings bindings) => (Table, Index, Entries, Bindings) = (table, index, entries, bindings);

    public Table Table { get; }

    public IndexSchema? Index { get; }

    public EntryList Entries { get; }

    public Bindings Bindings { get; }

    public KeySchema Keys => Index?.Keys ?? Table.Schema.Keys;

    public Condition? Filter => filter;

    public Entry? Start { get; private set; }

    public int? Limit { get; private set; }

    public bool IsConsistent { get; private set; }

    public bool IsBackward { get; set; }

    public bool CountsOnly { get; private set; }

    public static View Open(Database database, JsonElement request)
    {
        RequestMembers.RefuseLegacy(request);
        var table = database.Find(request);
        if (request.Text("IndexName"u8) is not { } name)
        {
            return new View(table, null, table.Entries, new Bindings(request));
        }

        return table.Indexes.TryGetValue(name, out var index)
            ? new View(table, index.Schema, index.Entries, new Bindings(request))
            : throw ServiceError.Invalid($"The table does not have the specified index: {name}");
    }

    public void ReadRest(Database database, JsonElement request)
    {
        filter = database.Expressions.Condition(request, "FilterExpression"u8, Bindings);
        filterNames = request.Text("FilterExpression"u8) is { } text ? TopNames(text) : [];
        projection = database.Expressions.Projection(request, Bindings);
        Bindings.RequireAllUsed();
        Limit = request.Number("Limit"u8);
        IsConsistent = request.Flag("ConsistentRead"u8);
        if (Limit < 1)
        {
            throw ServiceError.Invalid("Limit must be at least 1");
        }

        if (IsConsistent && Index is not null)
        {
            throw ServiceError.Invalid("Consistent reads are not supported on global secondary indexes");
        }

        ReadSelect(request);
        if (Index is not null && filterNames.Any(n => !Index.Projects(Bindings.Name(n))))
        {
            throw ServiceError.Invalid($"One or more parameter values were invalid: the index {Index.Name} does not project an attribute of the filter");
        }

        if (request.Has("ExclusiveStartKey"u8, out var start))
        {
            Start = ReadStart(ItemJson.ReadItem(start));
        }
    }

    /// <summary>A query's filter sees no key attributes: those belong into its key condition.</summary>
    public void RefuseKeyFilter()
    {
        if (filterNames.FirstOrDefault(n => Keys.Contains(Bindings.Name(n))) is { } key)
        {
            throw ServiceError.Invalid($"Filter Expression can only contain non-primary key attributes: Primary key attribute: {Bindings.Name(key)}");
        }
    }

    public void WriteItem(Utf8JsonWriter json, Item item)
    {
        if (!CountsOnly)
        {
            ItemJson.Write(json, projection is null ? item : Projection.Of(item, projection.Paths, Bindings));
        }
    }

    public void WriteKey(Utf8JsonWriter json, Entry last)
    {
        var key = new Dictionary<string, ItemValue>(Table.Schema.KeyItem(last.Key).Attributes, StringComparer.Ordinal) { [Keys.Partition.Name] = last.Position.Partition };
        if (Keys.Sort is not null)
        {
            key[Keys.Sort.Name] = last.Position.Sort!;
        }

        json.WritePropertyName("LastEvaluatedKey"u8);
        ItemJson.Write(json, new Item(key));
    }

    private static HashSet<string> TopNames(string text)
    {
        var tokens = ExpressionLexer.Read(text);
        return [.. tokens.Where((t, i) => t.Kind is TokenKind.Name or TokenKind.Placeholder
            && !(i > 0 && tokens[i - 1].Is("."))
            && !(t.Kind == TokenKind.Name && (tokens[i + 1].Is("(") || t.IsWord("AND") || t.IsWord("OR") || t.IsWord("NOT") || t.IsWord("IN") || t.IsWord("BETWEEN"))))
            .Select(t => t.Text)];
    }

    private void ReadSelect(JsonElement request)
    {
        var select = request.Text("Select"u8);
        CountsOnly = select == "COUNT";
        var isWrong = select switch
        {
            null => false,
            "COUNT" or "ALL_ATTRIBUTES" => projection is not null || (select != "COUNT" && Index is { ProjectsAll: false }),
            "ALL_PROJECTED_ATTRIBUTES" => projection is not null || Index is null,
            "SPECIFIC_ATTRIBUTES" => projection is null,
            _ => true,
        };
        var beyond = Index is { ProjectsAll: false } && projection is not null && !projection.Paths.All(p => Index.Projects(Bindings.Name(p.Steps[0].Name!)));
        if (isWrong || beyond)
        {
            throw ServiceError.Invalid($"Select {select} does not fit the projection or the index");
        }
    }

    private Entry ReadStart(Item start)
    {
        var names = new[] { Keys.Partition, Keys.Sort, Table.Schema.Keys.Partition, Table.Schema.Keys.Sort }.OfType<KeyAttribute>().DistinctBy(k => k.Name).ToArray();
        if (start.Count != names.Length || names.Any(k => !start.TryGetValue(k.Name, out var value) || value.Kind != k.Kind))
        {
            throw ServiceError.Invalid("The provided starting key is invalid");
        }

        var key = new ItemKey(start[Table.Schema.Keys.Partition.Name], Table.Schema.Keys.Sort is { } sort ? start[sort.Name] : null);
        return new Entry(Index is null ? key : Index.KeyOf(start), key);
    }
}
