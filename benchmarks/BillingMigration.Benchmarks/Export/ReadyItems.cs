using System.Text.Json;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Testing;
using BillingMigration.Target;
using MySqlConnector;

namespace BillingMigration.Benchmarks.Export;

/// <summary>The items of the charges, made beforehand by the product's own encoder and held in memory, for writers that only write.</summary>
internal sealed class ReadyItems
{
    private readonly List<ItemBatch> batches = [];

    private ReadyItems()
    {
    }

    public long Count => batches.Sum(b => (long)b.Count);

    /// <param name="most">At most so many, in key order.</param>
    public static async Task<ReadyItems> ReadAsync(SampleMigration migration, int most, CancellationToken cancellationToken)
    {
        await using var source = await SourceConnections.OpenAsync(migration.Definition, migration.Credential, cancellationToken);
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        var tables = await SchemaInspector.InspectAsync(
            connection, migration.Definition.Source.Database, BillingModel.TablesOf(migration.Definition), cancellationToken);
        var model = BillingModel.Bind(migration.Definition, tables)[ExportWorker.Entity];
        var statement = new SelectStatement(model);
        var reader = new RowReader(model, statement);
        var row = new RowBuffer(model.Row.Length);
        var encoder = new ItemEncoder(model);
        var items = new ReadyItems();
        await using var command = new MySqlCommand(statement.Page(null, null, most), connection);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        while (await rows.ReadAsync(cancellationToken))
        {
            if (items.batches is [] or [.., { IsFull: true }])
            {
                items.batches.Add(new ItemBatch());
            }

            reader.Read(rows, row);
            if (!encoder.TryEncode(row, items.batches[^1], out var refusal))
            {
                throw new InvalidOperationException(refusal.Reason);
            }
        }

        return items;
    }

    /// <summary>BatchWriteItem bodies of all items, for a table.</summary>
    public List<byte[]> Bodies(string table)
    {
        var request = new BatchWriteRequest(table);
        return batches.ConvertAll(batch =>
        {
            int[] all = [.. Enumerable.Range(0, batch.Count)];
            var body = new byte[request.Length(batch, all)];
            request.Write(batch, all, body);
            return body;
        });
    }

    /// <summary>The same as requests of the SDK.</summary>
    public List<BatchWriteItemRequest> Requests(string table) => batches.ConvertAll(batch => new BatchWriteItemRequest
    {
        ReturnConsumedCapacity = Amazon.DynamoDBv2.ReturnConsumedCapacity.TOTAL,
        RequestItems = new()
        {
            [table] = [.. Enumerable.Range(0, batch.Count).Select(i => new WriteRequest(new PutRequest(Attributes(batch.Item(i)))))],
        },
    });

    private static Dictionary<string, AttributeValue> Attributes(ReadOnlyMemory<byte> item)
    {
        using var json = JsonDocument.Parse(item);
        return json.RootElement.EnumerateObject().ToDictionary(a => a.Name, a =>
        {
            var value = a.Value.EnumerateObject().Single();
            var text = value.Value.GetString();
            return value.Name == "N" ? new AttributeValue { N = text } : new AttributeValue { S = text };
        });
    }
}
