//! YAML with the tags of CloudFormation.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Number, Value, json};

use super::error::TemplateError;

/// Parses YAML to the equivalent JSON: a tag becomes an object with the function as its only member ("Intrinsic
/// function reference" in the CloudFormation user guide).
pub(super) fn parse(text: &str) -> Result<Value, TemplateError> {
    let documents = Yaml::load_from_str(text).map_err(|error| TemplateError(error.to_string()))?;
    match &*documents {
        [document] => convert(document),
        _ => Err(TemplateError("the file must contain one YAML document".into())),
    }
}

fn convert(node: &Yaml<'_>) -> Result<Value, TemplateError> {
    Ok(match node {
        Yaml::Value(scalar) => convert_scalar(scalar),
        Yaml::Sequence(items) => items.iter().map(convert).collect::<Result<Vec<_>, _>>()?.into(),
        Yaml::Mapping(members) => {
            let mut object = Map::new();
            for (name, value) in members {
                object.insert(member_name(name)?, convert(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tag, node) => {
            let value = convert(node)?;
            match &*tag.suffix {
                name @ ("Ref" | "Condition") => json!({name: value}),
                "GetAtt" => {
                    let dotted = value.as_str().and_then(|name| name.split_once('.'));
                    let pair = dotted.map(|(resource, attribute)| json!([resource, attribute]));
                    json!({"Fn::GetAtt": pair.unwrap_or(value)})
                }
                name => json!({format!("Fn::{name}"): value}),
            }
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            return Err(TemplateError("the YAML contains an alias or an unreadable value".into()));
        }
    })
}

fn convert_scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => (*value).into(),
        Scalar::Integer(value) => (*value).into(),
        Scalar::FloatingPoint(value) => Number::from_f64(value.0).into(),
        Scalar::String(text) => (&**text).into(),
    }
}

fn member_name(name: &Yaml<'_>) -> Result<String, TemplateError> {
    match name {
        Yaml::Value(Scalar::String(text)) => Ok(text.to_string()),
        Yaml::Value(Scalar::Integer(number)) => Ok(number.to_string()),
        _ => Err(TemplateError("the name of a member must be a string".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_objects() {
        let text = "
a: !Ref Key
b: !GetAtt Key.Arn
c: !Sub ${Key}-x
d: !Join ['-', [x, !Ref Key]]
e: {200: 1.5, f: [true, null]}
";
        let expected = json!({
            "a": {"Ref": "Key"},
            "b": {"Fn::GetAtt": ["Key", "Arn"]},
            "c": {"Fn::Sub": "${Key}-x"},
            "d": {"Fn::Join": ["-", ["x", {"Ref": "Key"}]]},
            "e": {"200": 1.5, "f": [true, null]},
        });
        assert_eq!(parse(text), Ok(expected));
    }
}
