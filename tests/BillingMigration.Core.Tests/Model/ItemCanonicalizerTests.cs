using System.Globalization;
using System.Text;
using System.Text.Json;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Target;
using FsCheck;
using FsCheck.Fluent;

namespace BillingMigration.Tests.Model;

/// <summary>An item comes back as the bytes that it was written as, however DynamoDB spells it.</summary>
public sealed class ItemCanonicalizerTests
{
    private static readonly EntityModel Model = ModelFixtures.Bind(
        ModelFixtures.Table(
            "charge", ["id"],
            ModelFixtures.Column("id", "bigint unsigned", nullable: false), ModelFixtures.Column("amount", "decimal(30,8)"), ModelFixtures.Column("small", "decimal(65,30)"),
            ModelFixtures.Column("day", "date"), ModelFixtures.Column("at", "datetime(6)"), ModelFixtures.Column("stamp", "timestamp(3)"), ModelFixtures.Column("span", "time(6)"),
            ModelFixtures.Column("text", "varchar(200)"), ModelFixtures.Column("bytes", "blob"), ModelFixtures.Column("wide", "double"), ModelFixtures.Column("narrow", "float"),
            ModelFixtures.Column("y", "year"), ModelFixtures.Column("flags", "bit(64)")),
        "CHARGE#{id}", "CHARGE");

    [Fact]
    public void Any_item_in_any_spelling_is_the_canonical_one() => Check.QuickThrowOnFailure(Prop.ForAll(
        RowGenerator.Rows().Zip(Gen.Choose(0, int.MaxValue)).ToArbitrary(),
        input =>
        {
            var canonical = ModelFixtures.Encode(Model, RowGenerator.Fill(input.Item1));
            Assert.StartsWith("{", canonical, StringComparison.Ordinal);
            Assert.Equal(canonical, Canonical(Respell(canonical, new Random(input.Item2), escapeAll: false)));
            Assert.Equal(canonical, Canonical(Respell(canonical, new Random(input.Item2), escapeAll: true)));
        }));

    [Theory]
    [InlineData("""{"pk":{"S":"CHARGE#1"},"sk":{"S":"CHARGE"},"entity":{"S":"CHARGE"},"id":{"S":"1"}}""")]
    [InlineData("""{"pk":{"S":"CHARGE#1"},"sk":{"S":"CHARGE"},"entity":{"S":"CHARGE"},"id":{"N":"1"},"text":{"NULL":true}}""")]
    [InlineData("""{"pk":{"S":"CHARGE#1"},"sk":{"S":"CHARGE"},"entity":{"S":"CHARGE"},"id":{"N":"1"},"text":{"S":""}}""")]
    [InlineData("""{"pk":{"S":"CHARGE#1"},"sk":{"S":"CHARGE"},"entity":{"S":"CHARGE"},"id":{"N":"1"},"more":{"S":"x"}}""")]
    [InlineData("""{"pk":{"S":"CHARGE#1"},"sk":{"S":"CHARGE"},"entity":{"S":"CHARGE"},"id":{"N":"1"},"more":{"M":{"a":{"L":[]}}}}""")]
    [InlineData("""{"pk":{"S":"CHARGE#2"},"sk":{"S":"CHARGE"},"entity":{"S":"CHARGE"},"id":{"N":"1"}}""")]
    [InlineData("""{"pk":{"S":"CHARGE#1"},"sk":{"S":"CHARGE"},"id":{"N":"1"}}""")]
    public void What_is_another_item_stays_another_one(string item)
    {
        var row = ModelFixtures.Encode(Model, ModelFixtures.Row(["1", .. new string?[12]]));
        Assert.NotEqual(row, Canonical(item));
        using var json = JsonDocument.Parse(Canonical(item));
        Assert.Equal("CHARGE", json.RootElement.GetProperty("sk").GetProperty("S").GetString());
    }

    [Fact]
    public void An_attribute_that_is_strange_is_kept_whatever_item_came_before()
    {
        var table = ModelFixtures.Table("small", ["id"], ModelFixtures.Column("id", "bigint unsigned", nullable: false));
        var small = EntityModel.Bind(
            new EntityDefinition { Entity = "SMALL", Table = "small", PartitionKey = KeyTemplate.Parse("SMALL#{id}"), SortKey = KeyTemplate.Parse("SMALL") },
            [],
            new Dictionary<string, TableSchema> { ["small"] = table });
        var canonical = new ItemCanonicalizer([Model, small]);
        using var batch = new ItemBatch();
        var wide = ModelFixtures.Encode(Model, ModelFixtures.Row(["1", "1", "1", "2026-01-01", .. new string?[9]]));
        const string narrow = """{"pk":{"S":"SMALL#1"},"sk":{"S":"SMALL"},"entity":{"S":"SMALL"},"id":{"N":"1"},"x":{"S":"a"},"y":{"S":"b"}}""";
        Assert.Equal(0, canonical.Append(Encoding.UTF8.GetBytes(wide), batch));
        Assert.Equal(1, canonical.Append(Encoding.UTF8.GetBytes(narrow), batch));
        Assert.Equal(narrow, Encoding.UTF8.GetString(batch.Item(1).Span));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("""{"pk":{"S":"a"}""")]
    [InlineData("""{"pk":{"S":"a},"sk":{"S":"b"}}""")]
    [InlineData("""{"pk":{"S":"a\"},"sk":{"S":"b"}}""")]
    [InlineData("[]x")]
    public void What_is_no_item_is_an_error(string item) => Assert.ThrowsAny<JsonException>(() => Canonical(item));

    [Theory]
    [InlineData("""[]""", 0)]
    [InlineData("""[{"a":{"S":"}]{\"\\"}}]""", 1)]
    [InlineData("""[ {"a":{}} , {"b":{"S":"x"}} ]""", 2)]
    public void An_array_is_split_into_its_objects(string json, int count)
    {
        var found = new List<ReadOnlyMemory<byte>>();
        Assert.Equal(json.Length, JsonSplit.Objects(Encoding.UTF8.GetBytes(json + ",rest"), found));
        Assert.Equal(count, found.Count);
        Assert.All(found, f => JsonDocument.Parse(f).Dispose());
    }

    [Theory]
    [InlineData("[")]
    [InlineData("[{")]
    [InlineData("""[{"a":"b\""")]
    [InlineData("[1]")]
    public void A_broken_array_is_an_error(string json) => Assert.ThrowsAny<JsonException>(() => JsonSplit.Objects(Encoding.UTF8.GetBytes(json), []));

    private static string Canonical(string item)
    {
        using var batch = new ItemBatch();
        new ItemCanonicalizer([Model]).Append(Encoding.UTF8.GetBytes(item), batch);
        return Encoding.UTF8.GetString(batch.Item(0).Span);
    }

    /// <summary>The same item with its attributes in another order, numbers in other texts, and more or fewer escapes.</summary>
    private static string Respell(string canonical, Random random, bool escapeAll)
    {
        using var json = JsonDocument.Parse(canonical);
        var attributes = json.RootElement.EnumerateObject().ToArray();
        random.Shuffle(attributes);
        return "{" + string.Join(',', attributes.Select(a =>
        {
            var value = a.Value.EnumerateObject().Single();
            var text = value.Value.GetString()!;
            var number = value.Name == "N" && random.Next(2) == 0 ? Exponent(text) : text;
            return $"{Quote(a.Name, false)}:{{\"{value.Name}\":{Quote(number, escapeAll && value.Name != "N")}}}";
        })) + "}";
    }

    /// <summary><c>12.5</c> as <c>125E-1</c>.</summary>
    private static string Exponent(string number)
    {
        var point = number.IndexOf('.', StringComparison.Ordinal);
        return point < 0 ? number + "E+0" : string.Create(CultureInfo.InvariantCulture, $"{number.Remove(point, 1)}E-{number.Length - point - 1}");
    }

    private static string Quote(string text, bool escapeAll)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
        {
            quoted.Append(escapeAll || c is '"' or '\\' or < ' ' ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") : c.ToString());
        }

        return quoted.Append('"').ToString();
    }
}
