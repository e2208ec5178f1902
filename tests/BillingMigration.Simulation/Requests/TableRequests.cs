using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>Creates, describes and deletes tables.</summary>
internal sealed class TableRequests(Database database, VirtualTime time)
{
    public void Create(JsonElement request, Utf8JsonWriter json)
    {
        var schema = TableSchema.Read(request);
        var table = new Table(schema, time.GetUtcNow());
        if (!database.Tables.TryAdd(schema.Name, table))
        {
            throw new ServiceError("ResourceInUseException", $"Table already exists: {schema.Name}");
        }

        Write(json, "TableDescription", table, "ACTIVE");
    }

    public void Describe(JsonElement request, Utf8JsonWriter json) => Write(json, "Table", database.Find(request), "ACTIVE");

    /// <summary>Changes nothing that is simulated: streams and protection against deletion are not.</summary>
    public void Update(JsonElement request, Utf8JsonWriter json) => Write(json, "TableDescription", database.Find(request), "ACTIVE");

    public void Delete(JsonElement request, Utf8JsonWriter json)
    {
        var table = database.Find(request);
        database.Tables.Remove(table.Schema.Name);
        Write(json, "TableDescription", table, "DELETING");
    }

    public void UpdateTimeToLive(JsonElement request, Utf8JsonWriter json)
    {
        var table = database.Find(request);
        var specification = request.Required("TimeToLiveSpecification"u8);
        table.TimeToLiveAttribute = specification.Flag("Enabled"u8) ? specification.Text("AttributeName"u8) : null;
        json.WritePropertyName("TimeToLiveSpecification"u8);
        specification.WriteTo(json);
    }

    public void DescribeTimeToLive(JsonElement request, Utf8JsonWriter json)
    {
        var attribute = database.Find(request).TimeToLiveAttribute;
        json.WriteStartObject("TimeToLiveDescription"u8);
        json.WriteString("TimeToLiveStatus"u8, attribute is null ? "DISABLED" : "ENABLED");
        if (attribute is not null)
        {
            json.WriteString("AttributeName"u8, attribute);
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string member, Table table, string status)
    {
        var definition = table.Schema.Definition;
        json.WriteStartObject(member);
        json.WriteString("TableName"u8, table.Schema.Name);
        json.WriteString("TableStatus"u8, status);
        json.WriteString("TableArn"u8, "arn:aws:dynamodb:us-east-1:000000000000:table/" + table.Schema.Name);
        json.WriteNumber("CreationDateTime"u8, table.Created.ToUnixTimeMilliseconds() / 1000.0);
        json.WriteNumber("ItemCount"u8, table.Entries.Ordered.Count);
        json.WriteNumber("TableSizeBytes"u8, 0);
        json.WriteStartObject("BillingModeSummary"u8);
        json.WriteString("BillingMode"u8, definition.Text("BillingMode"u8) ?? "PROVISIONED");
        json.WriteEndObject();
        foreach (var name in new[] { "KeySchema", "AttributeDefinitions" })
        {
            json.WritePropertyName(name);
            definition.GetProperty(name).WriteTo(json);
        }

        if (definition.Has("GlobalSecondaryIndexes"u8, out var indexes))
        {
            WriteIndexes(json, indexes);
        }

        json.WriteEndObject();
    }

    private static void WriteIndexes(Utf8JsonWriter json, JsonElement indexes)
    {
        json.WriteStartArray("GlobalSecondaryIndexes"u8);
        foreach (var index in indexes.EnumerateArray())
        {
            json.WriteStartObject();
            json.WriteString("IndexStatus"u8, "ACTIVE");
            foreach (var member in index.EnumerateObject().Where(m => m.Name is "IndexName" or "KeySchema" or "Projection"))
            {
                member.WriteTo(json);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
