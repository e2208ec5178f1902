using System.Collections.Immutable;
using System.Text;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>The rows of a table with an integer key <c>id</c>, by either reader.</summary>
internal sealed class ReadRows : IAsyncDisposable
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private readonly SourceConnections source;
    private readonly MySqlConnection connection;

    private ReadRows(SourceConnections source, MySqlConnection connection, EntityModel model, CharsetTable charsets) =>
        (this.source, this.connection, Model, Charsets) = (source, connection, model, charsets);

    public EntityModel Model { get; }

    public CharsetTable Charsets { get; }

    public static async Task<ReadRows> OpenAsync(TestDatabase database, string table, params string[] excluded)
    {
        var source = await SourceConnections.OpenAsync(
            new SourceDefinition { Host = database.Server.Host, Port = database.Server.Port, Database = database.Name, Tls = new SourceTlsDefinition { Mode = SourceTlsMode.None } },
            new SourceCredential("root", ""), null, Cancel);
        var connection = await source.OpenConnectionAsync(Cancel);
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, [table], Cancel);
        var definition = new EntityDefinition
        {
            Entity = "TYPED",
            Table = table,
            PartitionKey = KeyTemplate.Parse("T#{id}"),
            SortKey = KeyTemplate.Parse("T"),
            Columns = excluded.ToImmutableSortedDictionary(c => c, _ => new ColumnDefinition { Exclude = true }),
        };
        var model = EntityModel.Bind(definition, [], tables);
        var names = tables[table].Columns.Select(c => c.CharacterSet).OfType<string>();
        return new ReadRows(source, connection, model, await CharsetTable.LoadAsync(connection, names, Cancel));
    }

    /// <summary>The texts of every row by SELECT, by key.</summary>
    public async Task<Dictionary<long, string?[]>> SelectAsync()
    {
        var statement = new SelectStatement(Model);
        var reader = new RowReader(Model, statement);
        var row = new RowBuffer(Model.Row.Length);
        var found = new Dictionary<long, string?[]>();
        await using var command = new MySqlCommand(statement.Page(null, null, 1_000_000), connection);
        await using var rows = await command.ExecuteReaderAsync(Cancel);
        while (await rows.ReadAsync(Cancel))
        {
            reader.Read(rows, row);
            Add(found, row);
        }

        return found;
    }

    /// <summary>The rows that are left when every change of the files is made, and how many changes there were. Each before-image must be the row as it was.</summary>
    public async Task<(Dictionary<long, string?[]> Rows, int Changes)> FollowAsync(params string[] paths)
    {
        var (before, after) = (new RowBuffer(Model.Row.Length), new RowBuffer(Model.Row.Length));
        var rows = new Dictionary<long, string?[]>();
        var decoders = new Dictionary<TableMap, RowDecoder>(ReferenceEqualityComparer.Instance);
        var changes = 0;
        foreach (var path in paths)
        {
            await using var decoder = new BinlogDecoder(await BinlogFileReader.OpenAsync(path, Cancel), Path.GetFileName(path));
            while (await decoder.ReadAsync(Cancel) is { } found)
            {
                if (found is not RowsEvent change || change.Table.Table != Model.Table.Name || change.Table.Database != Model.Table.Database)
                {
                    continue;
                }

                if (!decoders.TryGetValue(change.Table, out var bound))
                {
                    decoders[change.Table] = bound = RowDecoder.Bind(change.Table, Model, Charsets);
                }

                for (; change.TryRead(bound, before, after); before.Clear(), after.Clear())
                {
                    changes++;
                    if (change.Kind != RowsKind.Insert)
                    {
                        var was = Texts(before);
                        AssertSame(rows[Key(before)], was, $"before-image of {Key(before)}");
                        rows.Remove(Key(before));
                    }

                    if (change.Kind != RowsKind.Delete)
                    {
                        Add(rows, after);
                    }
                }
            }
        }

        return (rows, changes);
    }

    public void AssertSame(Dictionary<long, string?[]> expected, Dictionary<long, string?[]> actual)
    {
        var wrong = Differences(expected, actual);
        Assert.True(wrong.Count == 0, $"{wrong.Count} values differ: {string.Join("\n", wrong.GroupBy(w => w.Split(' ')[0]).SelectMany(g => g.Take(2)).Take(40))}");
    }

    /// <summary>A line for each value that is not the same.</summary>
    public IReadOnlyList<string> Differences(Dictionary<long, string?[]> expected, Dictionary<long, string?[]> actual)
    {
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        var wrong = new List<string>();
        foreach (var (key, row) in expected)
        {
            for (var i = 0; i < row.Length; i++)
            {
                if (row[i] != actual[key][i])
                {
                    wrong.Add($"{Model.Row[i].Column.Name} {Model.Row[i].Column.ColumnType} {Model.Row[i].Column.CharacterSet} of {key}: SELECT {Show(row[i])}, binlog {Show(actual[key][i])}");
                }
            }
        }

        return wrong;
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync();
        await source.DisposeAsync();
    }

    private static string Show(string? value) => value is null ? "NULL" : value.Length > 200 ? value[..200] + "…" : value;

    private void AssertSame(string?[] expected, string?[] actual, string what)
    {
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(expected[i] == actual[i], $"{what}, {Model.Row[i].Column.Name}: {Show(expected[i])} and {Show(actual[i])}");
        }
    }

    private void Add(Dictionary<long, string?[]> rows, RowBuffer row) => rows.Add(Key(row), Texts(row));

    private long Key(RowBuffer row) => long.Parse(Encoding.ASCII.GetString(row[Model.PrimaryKey[0]]), System.Globalization.CultureInfo.InvariantCulture);

    // Bytes as characters, so that nothing is lost; text that is ASCII stays readable.
    private static string?[] Texts(RowBuffer row) => [.. Enumerable.Range(0, row.Count).Select(i => row.IsNull(i) ? null : Encoding.Latin1.GetString(row[i]))];
}
