using System.Text;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>A table with a column <c>id</c> and any others, read by both readers.</summary>
internal sealed class TypedTable : IAsyncDisposable
{
    private readonly SourceConnections source;
    private readonly MySqlConnection connection;

    private TypedTable(SourceConnections source, MySqlConnection connection, EntityModel model, CharsetTable charsets)
    {
        (this.source, this.connection) = (source, connection);
        (Model, Charsets) = (model, charsets);
    }

    public EntityModel Model { get; }

    public CharsetTable Charsets { get; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<TypedTable> BindAsync(TestDatabase database, string table)
    {
        var source = await SourceConnections.OpenAsync(
            new SourceDefinition { Host = database.Server.Host, Port = database.Server.Port, Database = database.Name, Tls = new SourceTlsDefinition { Mode = SourceTlsMode.None } },
            new SourceCredential("root", ""), null, Cancel);
        var connection = await source.OpenConnectionAsync(Cancel);
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, [table], Cancel);
        var model = EntityModel.Bind(
            new EntityDefinition { Entity = "TYPED", Table = table, PartitionKey = KeyTemplate.Parse("T#{id}"), SortKey = KeyTemplate.Parse("T") }, [], tables);
        var charsets = await CharsetTable.LoadAsync(connection, model.Row.Select(c => c.Column.CharacterSet).OfType<string>(), Cancel);
        return new TypedTable(source, connection, model, charsets);
    }

    /// <summary>Items by their keys, as SELECT reads the rows.</summary>
    public async Task<SortedDictionary<string, string>> SelectAsync()
    {
        var statement = new SelectStatement(Model);
        var reader = new RowReader(Model, statement);
        var row = new RowBuffer(Model.Row.Length);
        var items = new SortedDictionary<string, string>(StringComparer.Ordinal);
        await using var command = new MySqlCommand(statement.Page(null, null, 1_000_000), connection);
        await using var rows = await command.ExecuteReaderAsync(Cancel);
        while (await rows.ReadAsync(Cancel))
        {
            reader.Read(rows, row);
            Put(items, row);
        }

        return items;
    }

    /// <summary>Items that are left when the changes in binlog files are applied one after the other.</summary>
    public async Task<SortedDictionary<string, string>> ReplayAsync(params string[] paths)
    {
        var items = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var (before, after) = (new RowBuffer(Model.Row.Length), new RowBuffer(Model.Row.Length));
        var decoders = new Dictionary<TableMap, RowDecoder>();
        foreach (var path in paths)
        {
            await using var decoder = new BinlogDecoder(await BinlogFileReader.OpenAsync(path, Cancel), Path.GetFileName(path));
            while (await decoder.ReadAsync(Cancel) is { } found)
            {
                if (found is not RowsEvent rows || rows.Table.Database != Model.Table.Database || rows.Table.Table != Model.Table.Name)
                {
                    continue;
                }

                if (!decoders.TryGetValue(rows.Table, out var reader))
                {
                    decoders[rows.Table] = reader = RowDecoder.Bind(rows.Table, Model, Charsets);
                }

                while (rows.TryRead(reader, before, after))
                {
                    if (rows.Kind != RowsKind.Insert)
                    {
                        Assert.True(items.Remove(Key(Encode(before)), out var was), "a row is changed that was not there");
                        Assert.Equal(was, Encode(before));
                    }

                    if (rows.Kind != RowsKind.Delete)
                    {
                        Put(items, after);
                    }
                }
            }
        }

        return items;
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync();
        await source.DisposeAsync();
    }

    private void Put(SortedDictionary<string, string> items, RowBuffer row)
    {
        var item = Encode(row);
        items[Key(item)] = item;
    }

    private static string Key(string item) => item[..item.IndexOf(",\"sk\"", StringComparison.Ordinal)];

    private string Encode(RowBuffer row)
    {
        using var batch = new ItemBatch();
        Assert.True(new ItemEncoder(Model).TryEncode(row, batch, out var refusal), $"{refusal.Reason} {Model.Describe(row)}");
        return Encoding.UTF8.GetString(batch.Item(0).Span);
    }
}
