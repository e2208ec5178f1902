using System.Text.Json;
using System.Text.Json.Nodes;
using BillingMigration.Definition;
using BillingMigration.Model;

namespace BillingMigration.Target;

/// <summary>The IAM policy of an application that reads through a view: the equal of MySQL's column-level grants.</summary>
internal sealed class AccessPolicy(MigrationDefinition definition, string region, string account)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Every attribute that a store of this model asks for, keys first.</summary>
    public static IReadOnlyList<string> AttributesOf(BillingModel model) =>
    [
        .. model.Entities.SelectMany(e => e.Keys).SelectMany(k => new[] { k.PartitionKeyAttribute, k.SortKeyAttribute }).Append(EntityModel.EntityAttribute)
            .Concat(model.Entities.SelectMany(e => e.Attributes).Select(a => a.Name)).Distinct(StringComparer.Ordinal),
    ];

    /// <summary>
    /// Attributes that the view hides in one entity, and that have the name of one that it shows in another: IAM knows attributes by their name alone. <c>CUSTOMER.notes (as BILL.notes)</c>.
    /// </summary>
    /// <param name="all">Without a view.</param>
    /// <param name="seen">Through it.</param>
    public static IReadOnlyList<string> ShownBesides(BillingModel all, BillingModel seen)
    {
        var shown = seen.Entities.SelectMany(e => e.Attributes.Select(a => (a.Name, e.Entity))).ToLookup(a => a.Name, a => a.Entity, StringComparer.Ordinal);
        return
        [
            .. from entity in all.Entities
               let own = seen.Entities.FirstOrDefault(e => e.Entity == entity.Entity)
               from attribute in entity.Attributes
               where shown.Contains(attribute.Name) && own?.Attributes.Any(a => a.Name == attribute.Name) != true
               select $"{entity.Entity}.{attribute.Name} (as {shown[attribute.Name].First()}.{attribute.Name})",
        ];
    }

    /// <summary>
    /// Reading through a view. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html: a request that names no attributes is refused, and so is one
    /// that names another than these, in its projection or in a condition.
    /// </summary>
    /// <param name="seen">The model through the view.</param>
    public string Write(BillingModel seen)
    {
        var target = definition.Target;
        var table = Arn("dynamodb", $"table/{target.Table}");
        var indexes = seen.Entities.SelectMany(e => e.Keys).Select(k => k.Index).OfType<string>().Distinct();
        var statements = new JsonArray
        {
            Allow("ReadThroughView", ["dynamodb:BatchGetItem", "dynamodb:Query"], [table, .. indexes.Select(i => $"{table}/index/{i}")], new JsonObject
            {
                ["ForAllValues:StringEquals"] = new JsonObject { ["dynamodb:Attributes"] = Texts(AttributesOf(seen)) },
                ["Null"] = new JsonObject { ["dynamodb:Attributes"] = "false" },
                ["StringEqualsIfExists"] = new JsonObject { ["dynamodb:Select"] = "SPECIFIC_ATTRIBUTES" },
            }),
            Allow("SeeTable", ["dynamodb:DescribeTable"], [table], null),
            Allow("ReadSchema", ["dynamodb:GetItem"], [Arn("dynamodb", $"table/{target.ControlTableName}")], new JsonObject
            {
                ["ForAllValues:StringLike"] = new JsonObject { ["dynamodb:LeadingKeys"] = Texts([$"MIGRATION#{definition.Name}"]) },
            }),
        };
        if (target.Encryption is { } encryption && seen.Entities.Any(e => e.Attributes.Any(a => a.Encrypted)))
        {
            statements.Add(Allow("OpenDataKey", ["kms:Decrypt"], [KeyArn(encryption.KmsKeyId)], Conditions(
                encryption.KmsKeyId, ("kms:EncryptionContext:BillingMigration", definition.Name), ("kms:EncryptionContext:Table", target.Table))));
        }

        if (target.KmsKeyId is { } tableKey)
        {
            statements.Add(Allow("ReadEncryptedTable", ["kms:Decrypt"], [KeyArn(tableKey)], Conditions(tableKey, ("kms:ViaService", $"dynamodb.{region}.amazonaws.com"))));
        }

        return new JsonObject { ["Version"] = "2012-10-17", ["Statement"] = statements }.ToJsonString(Indented);
    }

    private static JsonObject Allow(string sid, IEnumerable<string> actions, IEnumerable<string> resources, JsonObject? condition)
    {
        var statement = new JsonObject { ["Sid"] = sid, ["Effect"] = "Allow", ["Action"] = Texts(actions), ["Resource"] = Texts(resources) };
        if (condition is not null)
        {
            statement["Condition"] = condition;
        }

        return statement;
    }

    /// <summary>A policy names a key by its ARN; of an alias it can only ask that the key has it.</summary>
    private static JsonObject Conditions(string key, params (string Key, string Value)[] equal)
    {
        var equals = new JsonObject();
        foreach (var (name, value) in equal)
        {
            equals[name] = value;
        }

        var conditions = new JsonObject { ["StringEquals"] = equals };
        if (AliasOf(key) is { } alias)
        {
            conditions["ForAnyValue:StringEquals"] = new JsonObject { ["kms:ResourceAliases"] = alias };
        }

        return conditions;
    }

    private static string? AliasOf(string key) => key.IndexOf("alias/", StringComparison.Ordinal) is >= 0 and var at ? key[at..] : null;

    private string KeyArn(string key) => AliasOf(key) is not null ? Arn("kms", "key/*") : key.StartsWith("arn:", StringComparison.Ordinal) ? key : Arn("kms", $"key/{key}");

    private string Arn(string service, string resource)
    {
        var partition = region.StartsWith("cn-", StringComparison.Ordinal) ? "aws-cn" : region.StartsWith("us-gov-", StringComparison.Ordinal) ? "aws-us-gov" : "aws";
        return $"arn:{partition}:{service}:{region}:{account}:{resource}";
    }

    private static JsonArray Texts(IEnumerable<string> texts) => [.. texts.Select(t => JsonValue.Create(t))];
}
