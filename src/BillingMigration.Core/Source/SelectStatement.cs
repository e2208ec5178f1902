using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;
using System.Text;
using BillingMigration.Model;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>
/// Builds the statements that read an entity. Every column is selected as the bytes of its canonical text, so that the server formats
/// and nothing on the way can bend a value; FLOAT and DOUBLE, whose text can be another value, as their own bytes. <see cref="RowReader"/> reads the results.
/// </summary>
public sealed class SelectStatement
{
    private const string Self = "source_row";

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("-.0123456789");
    private static readonly SearchValues<char> TimeCharacters = SearchValues.Create("-.: 0123456789");

    private readonly EntityModel model;
    private readonly ImmutableArray<ColumnSchema> key;
    private readonly string select;

    public SelectStatement(EntityModel model)
    {
        this.model = model;
        key = [.. model.PrimaryKey.Select(i => model.Row[i].Column)];
        var columns = model.Row.Select((c, i) => c.Lookup is { } lookup ? Expression(c.Column, lookup) : ExactExpression(i)).Concat(OrdinalKeys());
        select = $"SELECT {string.Join(", ", columns)} FROM {Name(model.Table.Name)} {Self} FORCE INDEX (PRIMARY){Joins()}";
    }

    /// <summary>Key columns whose order is not that of their text (ENUM, SET): their numbers follow the row's columns.</summary>
    public ImmutableArray<int> OrdinalKeyColumns => [.. Enumerable.Range(0, key.Length).Where(i => IsOrdinal(key[i]))];

    /// <summary>Rows after <paramref name="after"/> up to and with <paramref name="to"/>, in key order, at most <paramref name="limit"/>.</summary>
    public string Page(ImmutableArray<string>? after, ImmutableArray<string>? to, int limit) =>
        string.Create(CultureInfo.InvariantCulture, $"{select}{Where(after, to)} ORDER BY {OrderBy(Self + ".")} LIMIT {limit}");

    /// <summary>The key of the row <paramref name="step"/> rows after <paramref name="after"/>: one boundary of the plan.</summary>
    public string Boundary(ImmutableArray<string>? after, long step) => string.Create(
        CultureInfo.InvariantCulture,
        $"SELECT {KeyColumns()} FROM {Name(model.Table.Name)} {Self} FORCE INDEX (PRIMARY){Where(after, null)} ORDER BY {OrderBy(Self + ".")} LIMIT 1 OFFSET {step - 1}");

    /// <summary>The key in the current row of a result of <see cref="Boundary"/>, as a checkpoint holds it.</summary>
    public ImmutableArray<string> BoundaryKey(MySqlDataReader reader) => [.. key.Select((column, i) => (byte[])reader.GetValue(i) switch
    {
        var number when IsOrdinal(column) => Encoding.ASCII.GetString(number),
        var point when FloatText.IsOf(column) => FloatText.OfPoint(point),
        var value => KeyText.Of(column, value),
    })];

    /// <summary>The rows that have the primary keys of <paramref name="rows"/>.</summary>
    public string ByKeys(IReadOnlyCollection<RowBuffer> rows) =>
        $"{select} WHERE {string.Join(" OR ", rows.Select(row => $"({string.Join(" AND ", model.PrimaryKey.Select(i => IsEqual(i, row[i])))})"))}";

    /// <summary>The rows that have the given values in some columns, in key order after <paramref name="after"/>, at most <paramref name="limit"/>.</summary>
    /// <param name="columns">Indexes in <see cref="EntityModel.Row"/>.</param>
    public string ByColumns(IReadOnlyList<int> columns, IReadOnlyList<byte[]> values, ImmutableArray<string>? after, int limit)
    {
        var conditions = columns.Select((column, i) => IsEqual(column, values[i])).Concat(after is { } key ? [Compare(key, 0, ">", ">")] : []);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{select.Replace(" FORCE INDEX (PRIMARY)", "", StringComparison.Ordinal)} WHERE {string.Join(" AND ", conditions)} ORDER BY {OrderBy(Self + ".")} LIMIT {limit}");
    }

    /// <summary>The rows for which some conditions hold.</summary>
    /// <param name="conditions">Made by <see cref="IsEqual"/> and <see cref="Compare(int, string, ReadOnlySpan{byte})"/>; none: all rows.</param>
    /// <param name="order">Expressions.</param>
    public string Find(IReadOnlyCollection<string> conditions, IEnumerable<string> order, bool descending, int limit)
    {
        var by = string.Join(", ", order.Select(expression => expression + (descending ? " DESC" : "")));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{select.Replace(" FORCE INDEX (PRIMARY)", "", StringComparison.Ordinal)}{(conditions.Count == 0 ? "" : " WHERE " + string.Join(" AND ", conditions))} ORDER BY {by} LIMIT {limit}");
    }

    /// <summary>The column, as statements of this class name it.</summary>
    internal string ColumnName(int index) => $"{Self}.{Name(model.Row[index].Column.Name)}";

    /// <summary>The expression that a column of the entity's own table is read by.</summary>
    internal string Expression(int index) => Expression(model.Row[index].Column, Self);

    /// <summary>Table and alias, as statements of this class name them.</summary>
    internal string From => $"{Name(model.Table.Name)} {Self}{Joins()}";

    /// <param name="comparison"><c>&lt;</c>, <c>&lt;=</c>, <c>&gt;</c> or <c>&gt;=</c>.</param>
    internal string Compare(int index, string comparison, ReadOnlySpan<byte> value)
    {
        var column = model.Row[index].Column;
        return $"{ColumnName(index)} {comparison} {Literal(column, KeyText.Of(column, value))}";
    }

    /// <summary>A value as it stands in a statement.</summary>
    internal static string Literal(ColumnSchema column, ReadOnlySpan<byte> value) => RawText.MayBe(column) && RawText.Is(value) ? RawText.Literal(column, value)
        : IsOrdinal(column) || column.CharacterSet is not null
        ? $"_utf8mb4 X'{Convert.ToHexString(value)}'"
        : Literal(column, KeyText.Of(column, value));

    /// <summary>Smallest and largest value of a single integer key.</summary>
    public string Extremes() => $"SELECT MIN({Name(key[0].Name)}), MAX({Name(key[0].Name)}) FROM {Name(model.Table.Name)}";

    /// <summary>What the server expects to read of a single integer key's range, <c>(from, to]</c>: it looks at the pages of the index, which MySQL leaves out with FORCE INDEX. In the column <c>rows</c>.</summary>
    public string Dive(BigInteger from, BigInteger to) => string.Create(
        CultureInfo.InvariantCulture,
        $"EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM {Name(model.Table.Name)} USE INDEX (PRIMARY) WHERE {Name(key[0].Name)} > {from} AND {Name(key[0].Name)} <= {to}");

    /// <summary>True when ranges can be computed instead of looked up: one integer column.</summary>
    public bool HasIntegerKey => key is [{ DataType: "tinyint" or "smallint" or "mediumint" or "int" or "bigint" }];

    /// <summary>The expression whose bytes are the canonical text of a column, as <see cref="AttributeForm"/> describes it; for FLOAT and DOUBLE see <see cref="FloatText"/>.</summary>
    internal static string Expression(ColumnSchema column, string table)
    {
        var name = $"{Name(table)}.{Name(column.Name)}";
        switch (column.DataType)
        {
            // A text is not the value: FLOAT is printed with 6 digits, FLOAT(M,D) with D decimals, and MariaDB prints -0 as 0. A point holds
            // the 8 bytes of its coordinates, which RowReader takes out; that is also cheaper than digits for both sides.
            case "float" or "double" or "real":
                return $"POINT({name}, 0)";
            case "bit":
                return $"CAST({name} + 0 AS BINARY)";
            case "uuid" or "inet4" or "inet6":
                return $"CAST(CAST({name} AS CHAR CHARACTER SET utf8mb4) AS BINARY)";
        }

        if (AttributeForms.For(column, null) == AttributeForm.Binary)
        {
            return name;
        }

        if (column.ColumnType.Contains("zerofill", StringComparison.OrdinalIgnoreCase))
        {
            return $"CAST({name} + 0 AS BINARY)";
        }

        // JSON not either: MySQL has documents that are no UTF-8, of which CONVERT makes NULL.
        var converts = column.CharacterSet is not null and not ("utf8mb4" or "utf8mb3" or "utf8" or "ascii");
        return converts ? $"CAST(CONVERT({name} USING utf8mb4) AS BINARY)" : $"CAST({name} AS BINARY)";
    }

    /// <summary>A text of a key that does not come back from Unicode as it was is read as <see cref="RawText"/>.</summary>
    private string ExactExpression(int index)
    {
        var text = Expression(index);
        if (!model.ExactTexts.Contains(index))
        {
            return text;
        }

        var (name, charset) = (ColumnName(index), model.Row[index].Column.CharacterSet);
        var bytes = $"CAST({name} AS BINARY)";
        return $"IF(CAST(CONVERT(CONVERT({name} USING utf8mb4) USING {charset}) AS BINARY) <=> {bytes}, {text}, CONCAT(X'FF', {bytes}))";
    }

    internal static string Name(string identifier) => $"`{identifier.Replace("`", "``", StringComparison.Ordinal)}`";

    private static bool IsOrdinal(ColumnSchema column) => column.DataType is "enum" or "set";

    private IEnumerable<string> OrdinalKeys() => key.Where(IsOrdinal).Select(c => $"CAST({Self}.{Name(c.Name)} + 0 AS BINARY)");

    private string KeyColumns() => string.Join(", ", key.Select((c, i) => IsOrdinal(c) ? $"CAST({Self}.{Name(c.Name)} + 0 AS BINARY)" : ExactExpression(model.PrimaryKey[i])));

    private string OrderBy(string prefix) => string.Join(", ", key.Select(c => prefix + Name(c.Name)));

    private string Joins()
    {
        var text = new StringBuilder();
        var used = model.Row.Where(c => c.Lookup is not null).Select(c => c.Lookup!).Distinct();
        foreach (var lookup in used)
        {
            var definition = model.Definition.Lookups[lookup];
            var on = definition.On.Select(pair => $"{Name(lookup)}.{Name(pair.Value)} = {Self}.{Name(pair.Key)}");
            text.Append(CultureInfo.InvariantCulture, $" LEFT JOIN {Name(definition.Table)} {Name(lookup)} ON {string.Join(" AND ", on)}");
        }

        return text.ToString();
    }

    private string Where(ImmutableArray<string>? after, ImmutableArray<string>? to)
    {
        var conditions = new List<string>();
        if (after is { } lower)
        {
            conditions.Add(Compare(lower, 0, ">", ">"));
        }

        if (to is { } upper)
        {
            conditions.Add(Compare(upper, 0, "<", "<="));
        }

        return conditions.Count == 0 ? "" : " WHERE " + string.Join(" AND ", conditions);
    }

    /// <summary>
    /// <c>(a, b) > (x, y)</c> as <c>a >= x AND (a > x OR b > y)</c>: MySQL reads a row comparison without the index, this form with it.
    /// </summary>
    private string Compare(ImmutableArray<string> bound, int column, string strict, string last)
    {
        var name = $"{Self}.{Name(key[column].Name)}";
        var literal = Literal(key[column], bound[column]);
        return column == key.Length - 1
            ? $"{name} {last} {literal}"
            : $"({name} {strict[0]}= {literal} AND ({name} {strict} {literal} OR {Compare(bound, column + 1, strict, last)}))";
    }

    internal string IsEqual(int index, ReadOnlySpan<byte> value)
    {
        var column = model.Row[index].Column;
        var literal = IsOrdinal(column) ? $"_utf8mb4 X'{Convert.ToHexString(value)}'" : Literal(column, KeyText.Of(column, value));
        return $"{Self}.{Name(column.Name)} = {literal}";
    }

    private static string Literal(ColumnSchema column, string value)
    {
        if (AttributeForms.For(column, null) == AttributeForm.Binary)
        {
            return value.Length == 0 ? "X''" : $"X'{Convert.ToHexString(Convert.FromHexString(value))}'";
        }

        switch (column.DataType)
        {
            case "tinyint" or "smallint" or "mediumint" or "int" or "bigint" or "decimal" or "numeric" or "bit" or "year" or "enum" or "set":
                // A number in quotes would be compared as a floating-point value.
                return value.Length > 0 && value.AsSpan().IndexOfAnyExcept(NumberCharacters) < 0 ? value : throw Damaged(column);
            case "float" or "double" or "real":
                return double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out _) ? value : throw Damaged(column);
            case "date" or "datetime" or "timestamp" or "time":
                return value.AsSpan().IndexOfAnyExcept(TimeCharacters) < 0 ? $"'{value}'" : throw Damaged(column);
            default:
                return RawText.MayBe(column) && RawText.OfText(value) is { } raw ? RawText.Literal(column, raw) : $"_utf8mb4 X'{Convert.ToHexString(Encoding.UTF8.GetBytes(value))}'";
        }
    }

    private static MigrationException Damaged(ColumnSchema column) => new(
        "CheckpointUnreadable", MigrationErrorKind.WrongState,
        $"A checkpoint holds a bound of {column.Name} that is no {column.ColumnType} value. The control table was changed by hand; begin a new snapshot with -Restart.", column.Name);
}
